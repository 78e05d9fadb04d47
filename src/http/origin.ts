/** Scheme, host and port: what credentials are bound to. A trailing dot or another port is another origin. */
export function originOf(url: string | URL): string {
  return new URL(url).origin;
}

export function sameOrigin(first: string | URL, second: string | URL): boolean {
  return originOf(first) === originOf(second);
}

/** The port that a URL means. */
export function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80');
}
