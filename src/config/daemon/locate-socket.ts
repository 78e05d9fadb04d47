/** `unix:///run/x.sock` → `/run/x.sock` */
export function locateSocket(address: string): string {
  return address.startsWith('unix://') ? address.slice('unix://'.length) : address;
}
