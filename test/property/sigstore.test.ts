import { performance } from 'node:perf_hooks';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changesOf } from '../support/signatures/json-changes.ts';
import {
  bundleAttachment,
  bundleJson,
  envelopeJson,
  type Json,
  type JsonMembers,
  signPayload,
  signStatement,
} from '../support/signatures/sigstore-builder.ts';
import {
  judged,
  loggedBundle,
  loggedPayload,
  PAYLOAD,
  SIGNER,
  STATEMENT,
} from '../support/signatures/sigstore-cases.ts';
import { type Attachment, attachmentVerdict, judgeAttachment } from '../support/signatures/sigstore-signatures.ts';
import { IS_SOAK } from '../support/soak.ts';

interface Tolerated {
  readonly [path: string]: RegExp;
}

/** Judges every change, and expects a refusal, except for those that say the same or that no check depends on. */
function expectRefusals(document: Json, attach: (text: string) => Attachment, tolerated: Tolerated = {}): void {
  const changes = changesOf(document);
  expect(changes.length).toBeGreaterThan(50);
  for (const { what, path, text } of changes) {
    const verdict = judgeAttachment(judged(attach(text), true));
    const name = `${path.join('.')} ${what}`;
    if (tolerated[path.join('.')]?.test(what)) continue;
    expect(verdict.kind, `${name}: ${text.slice(0, 300)}`).toBe('refused');
    if (verdict.kind === 'refused') expect(verdict.text).not.toBe('');
  }
}

describe('each member changed alone', () => {
  it('of a payload that is signed again is refused', () => {
    const annotations = { 'dev.sigstore.cosign/bundle': '' };
    const isAccepted = attachmentVerdict(judged(signPayload(SIGNER, PAYLOAD)));
    expect(isAccepted).toBe('accepted');
    for (const { what, path, text } of changesOf(PAYLOAD)) {
      const verdict = judgeAttachment(judged(signPayload(SIGNER, Buffer.from(text), annotations)));
      // Cosign writes null or an object.
      if (path.join('.') === 'optional' && /\{|beside/.test(what)) continue;
      expect(verdict.kind, `${path.join('.')} ${what}`).toBe('refused');
    }
  });

  it('of a statement that is signed again is refused', () => {
    const attach = (text: Buffer) =>
      bundleAttachment(bundleJson({ dsseEnvelope: envelopeJson(signStatement(SIGNER, text)) }));
    expect(attachmentVerdict(judged(attach(Buffer.from(JSON.stringify(STATEMENT)))))).toBe('accepted');
    for (const { what, path, text } of changesOf(STATEMENT)) {
      const verdict = judgeAttachment(judged(attach(Buffer.from(text))));
      const name = path.join('.');
      // A statement may have no predicate or any, and members that are not known here.
      if (name === 'predicate' && /removed|\{|beside/.test(what)) continue;
      if (/beside/.test(what)) continue;
      // A subject may come twice.
      if (name === 'subject.0' && what === 'doubled') continue;
      expect(verdict.kind, `${name} ${what}`).toBe('refused');
    }
  });

  it('of a promise is refused', () => {
    const attachment = loggedPayload();
    const bundle = attachment.annotations['dev.sigstore.cosign/bundle'] ?? '';
    const attach = (text: string) => ({
      ...attachment,
      annotations: { ...attachment.annotations, 'dev.sigstore.cosign/bundle': text },
    });
    expect(attachmentVerdict(judged(attach(bundle), true))).toBe('accepted');
    expectRefusals(JSON.parse(bundle), attach);
  });

  it('of the body of a log entry is refused', () => {
    for (const attach of [
      (record: (before: JsonMembers) => JsonMembers) => loggedPayload(record),
      (record: (before: JsonMembers) => JsonMembers) => bundleAttachment(loggedBundle(record)),
    ]) {
      let document: JsonMembers = {};
      attach((record) => {
        document = record;
        return record;
      });
      for (const { what, path, text } of changesOf(document)) {
        let parsed: JsonMembers;
        try {
          parsed = JSON.parse(text);
        } catch {
          continue;
        }
        // JSON.parse drops what is doubled.
        if (what === 'doubled') continue;
        const verdict = judgeAttachment(
          judged(
            attach(() => parsed),
            true,
          ),
        );
        // The hash of the envelope's JSON is not kept, so any is as good.
        if (path.includes('envelopeHash') && /flipped|type/.test(what)) continue;
        expect(verdict.kind, `${path.join('.')} ${what}`).toBe('refused');
      }
    }
  });

  it('of a bundle is refused', () => {
    const bundle = loggedBundle();
    const attach = (text: string) => bundleAttachment(text);
    expect(attachmentVerdict(judged(attach(JSON.stringify(bundle)), true))).toBe('accepted');
    const hint = /removed|flipped|"x"|""|"eA=="|\\u0000/;
    expectRefusals(bundle, attach, {
      // The key is found by the signature.
      'verificationMaterial.publicKey.hint': hint,
      'verificationMaterial.publicKey': /\{\}/,
      // A bundle of version 0.3 may have no promise, and then no time.
      'verificationMaterial.tlogEntries.0.inclusionPromise': /removed/,
      // Both spellings of numbers of 64 bits are read, and absent ones are 0.
    });
  });
});

describe('any bytes', () => {
  it('are a refusal, soon', () => {
    const kinds = [
      'application/vnd.dev.cosign.simplesigning.v1+json',
      'application/vnd.dev.sigstore.bundle.v0.3+json',
      'application/vnd.dev.sigstore.bundle+json;version=0.1',
      'text/plain',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.oneof(fc.string(), fc.json()),
        fc.dictionary(
          fc.constantFrom('dev.cosignproject.cosign/signature', 'dev.sigstore.cosign/bundle'),
          fc.oneof(fc.base64String(), fc.json()),
        ),
        (mediaType, content, annotations) => {
          const before = performance.now();
          expect(attachmentVerdict(judged({ mediaType, content, annotations }, true))).not.toBe('accepted');
          expect(performance.now() - before).toBeLessThan(10_000);
        },
      ),
      { numRuns: IS_SOAK ? 20_000 : 300 },
    );
  });

  it('in place of a part of a bundle are a refusal', () => {
    const text = JSON.stringify(loggedBundle());
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(40), fc.string({ maxLength: 20 }), (start, length, others) => {
        const changed = text.slice(0, start) + others + text.slice(start + length);
        const verdict = judgeAttachment(judged(bundleAttachment(changed), true));
        expect(['accepted', 'refused']).toContain(verdict.kind);
      }),
      { numRuns: IS_SOAK ? 20_000 : 300 },
    );
  });
});
