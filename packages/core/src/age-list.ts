/** What stands in an age list; its fields are the list's. */
export interface Aging {
  older: this | undefined
  younger: this | undefined
}

/**
 * Whatever changed last stands last, at constant cost. A Map that is deleted from at its front and added to at its end keeps
 * the holes, and looking for its first entry walks over all of them.
 */
export class AgeList<Item extends Aging> {
  #oldest: Item | undefined
  #youngest: Item | undefined

  get oldest(): Item | undefined {
    return this.#oldest
  }

  add(item: Item): void {
    item.older = this.#youngest
    if (this.#youngest === undefined) this.#oldest = item
    else this.#youngest.younger = item
    this.#youngest = item
  }

  /** Nothing happens if it is not in it. */
  remove(item: Item): void {
    const { older, younger } = item
    if (older === undefined && this.#oldest !== item) return
    if (older === undefined) this.#oldest = younger
    else older.younger = younger
    if (younger === undefined) this.#youngest = older
    else younger.older = older
    item.older = undefined
    item.younger = undefined
  }
}
