/** Which build of Endmark is measured: the one of this checkout, unless the environment variable ENGINE names another folder. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const ENGINE_VARIABLE = 'ENGINE'

/** Folder of the build. Client processes inherit the variable. */
export const engineFolder = process.env[ENGINE_VARIABLE]
  ? resolve(process.env[ENGINE_VARIABLE])
  : resolve(import.meta.dirname, '../../../dist')

/** @param path of a file of the build, from its folder */
export function engineUrl(path: string): string {
  return pathToFileURL(resolve(engineFolder, path)).href
}
