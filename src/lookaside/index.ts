export { cliLookaside, daemonLookaside, type LocateSignatures } from './create-lookaside.ts';
