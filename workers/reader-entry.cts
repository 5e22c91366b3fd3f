/**
 * What piscina loads in a reader thread: a module that loads the reader, without blocking, when the first task comes.
 *
 * Piscina would `require` the reader itself, and on Node 22 and 24 a thread that is ended while it so links ES modules takes the
 * process with it (`v8::Module::IsGraphAsync must be used on an instantiated module`). Ended in an `import` it ends alone.
 */
let reader: Promise<typeof import('./reader.js', { with: { 'resolution-mode': 'import' }})> | undefined

module.exports = async (task: never): Promise<unknown> => {
  reader ??= import('./reader.js')
  const { default: read } = await reader
  return read(task)
}
