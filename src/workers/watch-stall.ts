/** The thread as the watch sees it. */
export interface WatchedThread {
  /**
   * Resolves as soon as the thread runs code, even in the middle of a computation: only a system call that does not
   * return keeps it from answering.
   */
  respond(): Promise<void>;
}

/** The thread is asked for the first time after this part of the deadline, so that short operations cost nothing. */
const PAUSE_SHARE = 1 / 10;

/**
 * Calls `onStalled` once the thread has not come back from a system call for nine tenths of `ms` or more. A thread that
 * hangs from its start is noticed after `ms`. Computing takes as long as it takes. Returns the function that ends the
 * watch.
 */
export function watchForStall(thread: WatchedThread, ms: number, onStalled: () => void): () => void {
  const pauseMs = ms * PAUSE_SHARE;
  let timer: NodeJS.Timeout | NodeJS.Immediate;
  let isOver = false;

  function ask(): void {
    let hasAnswered = false;
    const answered = (): void => {
      hasAnswered = true;
      if (isOver) return;
      clearTimeout(overdue);
      timer = setTimeout(ask, pauseMs);
    };
    const overdue = setTimeout(() => {
      // A main thread that was held up itself sees the timer first and the answer, which came in time, afterwards.
      timer = setImmediate(() => {
        if (!hasAnswered && !isOver) onStalled();
      });
    }, ms - pauseMs);
    timer = overdue;
    // A thread that has ended does not hang; its calls fail by themselves.
    thread.respond().then(answered, answered);
  }

  timer = setTimeout(ask, pauseMs);
  return () => {
    isOver = true;
    clearTimeout(timer as NodeJS.Timeout);
    clearImmediate(timer as NodeJS.Immediate);
  };
}
