import {
  defineMessage,
  int32Field,
  optionalUint64Field,
  textField,
  textListField,
  textMapField,
} from '../ttrpc/index.ts';
import type { ApiLimits } from './types.ts';

type TextLimits = Pick<ApiLimits, 'maxApiTextBytes' | 'maxApiItems'>;

/** https://github.com/confidential-containers/guest-components/blob/main/protos/protos/confidential-data-hub/api.proto */
export function defineApiMessages({ maxApiTextBytes: bytes, maxApiItems: items }: TextLimits) {
  return {
    pullImageRequest: defineMessage('ImagePullRequest', {
      imageUrl: textField(1, bytes),
      bundlePath: textField(2, bytes),
    }),
    pullImageResponse: defineMessage('ImagePullResponse', { manifestDigest: textField(1, bytes) }),
    secureMountRequest: defineMessage('SecureMountRequest', {
      volumeType: textField(1, bytes),
      options: textMapField(2, { items, bytes }),
      flags: textListField(3, { items, bytes }),
      mountPoint: textField(4, bytes),
    }),
    // Versions of the definition differ: in some of the kata agent and the hub this message has no field.
    secureMountResponse: defineMessage('SecureMountResponse', { mountPath: textField(1, bytes) }),
  };
}

/** https://github.com/confidential-containers/guest-components/blob/main/protos/protos/attestation-agent/attestation-agent.proto */
export function defineMeasurementMessages({ maxApiTextBytes: bytes }: Pick<TextLimits, 'maxApiTextBytes'>) {
  return {
    request: defineMessage('ExtendRuntimeMeasurementRequest', {
      domain: textField(1, bytes),
      operation: textField(2, bytes),
      content: textField(3, bytes),
      registerIndex: optionalUint64Field(4),
    }),
    response: defineMessage('ExtendRuntimeMeasurementResponse', { result: int32Field(1) }),
  };
}
