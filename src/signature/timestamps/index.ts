export { openTimestamp, type Timestamp } from './open-timestamp.ts';
export { isSignedBy, verifyTimestamp } from './verify-timestamp.ts';
