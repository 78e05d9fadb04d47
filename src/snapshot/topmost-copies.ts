/**
 * Returns the layers, bottom to top, without the lower copies of a repeated layer. The topmost copy overrides every
 * lower one, whatever lies between, and overlayfs refuses the same directory twice.
 */
export function topmostCopies<Layer extends { readonly path: string }>(layers: readonly Layer[]): readonly Layer[] {
  const lastIndex = new Map(layers.map((layer, index) => [layer.path, index]));
  return layers.filter((layer, index) => lastIndex.get(layer.path) === index);
}
