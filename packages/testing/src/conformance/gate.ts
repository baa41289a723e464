/** Something that others wait for until it is opened. */
export interface Gate {
  readonly opened: Promise<void>
  readonly isOpen: boolean
  open(): void
}

export function gate(): Gate {
  let resolve!: () => void
  let isOpen = false
  const opened = new Promise<void>(done => (resolve = done))
  return {
    opened,
    get isOpen() {
      return isOpen
    },
    open() {
      isOpen = true
      resolve()
    },
  }
}
