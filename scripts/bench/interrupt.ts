/** Aborts on SIGINT and SIGTERM, so that everything begun is undone on exit; `exitCode` then reports the signal. */
export function createInterrupt(): { readonly signal: AbortSignal; exitCode(): number | undefined } {
  const controller = new AbortController();
  let code: number | undefined;
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const [name, exitCode] of Object.entries(codes)) {
    process.on(name, () => {
      code ??= exitCode;
      controller.abort(new Error(`interrupted by ${name}`));
    });
  }
  return { signal: controller.signal, exitCode: () => code };
}
