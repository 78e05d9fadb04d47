import { parseNoProxy } from './no-proxy.ts';
import { type ProxyServer, parseProxy } from './parse-proxy.ts';
import type { ProxySettings } from './types.ts';

export type ChooseProxy = (url: URL) => ProxyServer | undefined;

/** Treats an empty value as absent, as in the environment. */
function parseOptional(text: string | undefined, setting: string): ProxyServer | undefined {
  return text === undefined || text === '' ? undefined : parseProxy(text, setting);
}

/** Returns a function that chooses the proxy for a URL, if there is one. Throws `CONFIG_FILE_INVALID`. */
export function createProxyChoice(settings: ProxySettings = {}): ChooseProxy {
  const https = parseOptional(settings.https, 'pull.proxy.https');
  const http = parseOptional(settings.http, 'pull.proxy.http');
  const isExempt = parseNoProxy(settings.noProxy ?? '');
  return (url) => {
    const proxy = url.protocol === 'https:' ? https : http;
    return proxy === undefined || isExempt(url) ? undefined : proxy;
  };
}
