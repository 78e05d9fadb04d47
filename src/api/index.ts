export { createPassThrough } from './create-pass-through.ts';
export { extendRuntimeMeasurement, pulledImageEvent } from './extend-runtime-measurement.ts';
export { identifyServer, type ServerIdentity } from './identify-server.ts';
export { openApiServer } from './open-api-server.ts';
export { closeListeners, openListeners } from './open-listeners.ts';
export { requestPull } from './request-pull.ts';
export type { ApiListener, ApiPorts, ApiServer, MeasurementResult, MountAnswer, SecureMountCall } from './types.ts';
