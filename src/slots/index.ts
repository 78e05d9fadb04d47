export { Slots } from './slots.ts';
export { WaitQueue } from './wait-queue.ts';
