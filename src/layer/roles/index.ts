export { ApplyRole } from './apply-role.ts';
export { FetchRole } from './fetch-role.ts';
export { runTreeRole } from './tree-role.ts';
