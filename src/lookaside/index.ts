export { cliLookaside, daemonLookaside, type OpenLookaside } from './create-lookaside.ts';
