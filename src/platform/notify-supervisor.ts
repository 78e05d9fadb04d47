import { sendDatagram } from './syscalls.ts';

/**
 * Reports a state, such as `READY=1`, to systemd:
 * https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html. Does nothing without a supervisor
 * (`NOTIFY_SOCKET` is not set). Throws `PLATFORM_CALL_FAILED`.
 */
export function notifySupervisor(notifySocket: string | undefined, ...assignments: readonly string[]): void {
  if (!notifySocket) return;
  const address = Buffer.from(notifySocket.startsWith('@') ? `\0${notifySocket.slice(1)}` : notifySocket);
  sendDatagram(address, Buffer.from(assignments.join('\n')));
}
