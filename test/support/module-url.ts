/** The URL of a module with this source, for threads of a pool. */
export function moduleUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`
}
