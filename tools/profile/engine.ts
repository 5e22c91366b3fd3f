/** Which build of Endmark is profiled: the one of this checkout, unless the environment variable ENGINE names another folder. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const ENGINE_VARIABLE = 'ENGINE'

/** Folder of the build. The processes that are started inherit the variable. */
export const engineFolder = process.env[ENGINE_VARIABLE]
  ? resolve(process.env[ENGINE_VARIABLE])
  : resolve(import.meta.dirname, '../../../dist')

/** @param path of a file of the build, from its folder */
function engineUrl(path: string): string {
  return pathToFileURL(resolve(engineFolder, path)).href
}

type Engine = typeof import('../../dist/src/index.js')

export type Database = Awaited<ReturnType<Engine['open']>>

export const { open } = (await import(engineUrl('src/index.js'))) as Engine

/** The writer process, in this one. */
export async function startWriter(path: string) {
  type WriterModule = typeof import('../../dist/workers/writer-process.js')
  const { WriterProcess } = (await import(engineUrl('workers/writer-process.js'))) as WriterModule
  return WriterProcess.start(path, { log: () => {} })
}
