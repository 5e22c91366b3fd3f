/** Loaded before a program by `--import`: every folder is on a FUSE mount, for it and for the processes and threads that it starts. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const FUSE_TYPE = 0x65735546

const real = fs.statfsSync
fs.statfsSync = ((path: fs.PathLike) => Object.assign(real(path), { type: FUSE_TYPE })) as typeof fs.statfsSync
syncBuiltinESMExports()
