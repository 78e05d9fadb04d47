export { cliLookaside, daemonLookaside } from './create-lookaside.ts';
