/** A vfs with one turn of the event loop after the other: they end when the test says so. */
import { nodeVfs } from '../../src/vfs/index.js'
import { HookedVfs } from './hooked-vfs.js'

export class TurnVfs extends HookedVfs {
  /** What the end of this turn calls back. */
  callbacks: (() => void)[] = []

  constructor() {
    super(nodeVfs())
  }

  override endOfTurn(callback: () => void): void {
    this.callbacks.push(callback)
  }

  endTurn(): void {
    for (const callback of this.callbacks.splice(0)) callback()
  }
}
