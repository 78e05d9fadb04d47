export { ApplyRole } from './apply-role.ts';
export { type FetchPorts, FetchRole } from './fetch-role.ts';
export { runTreeRole } from './tree-role.ts';
