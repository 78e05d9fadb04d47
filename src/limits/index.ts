export { type Excess, limitExceeded } from './limit-exceeded.ts';
export {
  type Bounds,
  boundsOf,
  DEFAULT_LIMITS,
  LIMITS,
  type LimitName,
  type Limits,
  type RefusingLimit,
} from './limits.ts';
