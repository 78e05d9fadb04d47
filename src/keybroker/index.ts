export { createKeyBroker } from './create-key-broker.ts';
