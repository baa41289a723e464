// Loaded with --import into every task.
import { endWithParent } from './end-with-parent.mjs'

endWithParent()
