/** Returns scheme, host and port, to which credentials are bound. A trailing dot or another port is another origin. */
export function originOf(url: string | URL): string {
  return new URL(url).origin;
}

export function sameOrigin(first: string | URL, second: string | URL): boolean {
  return originOf(first) === originOf(second);
}

/** Returns the port of a URL, or the default port of its scheme. */
export function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80');
}
