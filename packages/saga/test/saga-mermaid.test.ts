import { expect, it } from 'vitest'
import { defineSaga, sagaMermaid } from '../src/index.ts'
import { flat } from './flat-contract.ts'
import { orderSaga } from './order-saga.ts'
import { tripSaga } from './trip-saga.ts'

it('draws the order saga', () => {
  expect(sagaMermaid(orderSaga)).toMatchInlineSnapshot(`
    "flowchart LR
      start_order_created(["order.created"])
      start_return_requested(["return.requested"])
      subgraph service1["inventory"]
        step_reserve["reserve"]
        step_dispatch["dispatch"]
        step_release["release<br/>compensates reserve"]
        step_restock["restock"]
      end
      subgraph service2["payment"]
        step_charge["charge"]
        step_refund["refund"]
      end
      subgraph service3["order"]
        step_complete["complete"]
        step_reject["reject"]
        step_cancel["cancel"]
        step_settle{{"settle"}}
      end
      subgraph service4["email"]
        step_notify["notify"]
      end
      end_completed((("completed")))
      end_rejected((("rejected")))
      end_cancelled((("cancelled")))
      end_refunded((("refunded")))
      start_order_created --> step_reserve
      start_return_requested --> step_restock
      start_return_requested --> step_refund
      step_reserve -->|"stock.reserved"| step_charge
      step_reserve -.->|"stock.rejected"| step_reject
      step_charge -->|"payment.charged"| step_complete
      step_charge -.->|"payment.declined"| step_release
      step_complete -->|"order.completed"| end_completed
      step_complete -->|"order.completed"| step_dispatch
      step_complete -->|"order.completed"| step_notify
      step_reject -->|"order.rejected"| end_rejected
      step_reject -->|"order.rejected"| step_notify
      step_release -->|"stock.released"| step_cancel
      step_cancel -->|"order.cancelled"| end_cancelled
      step_cancel -->|"order.cancelled"| step_notify
      step_restock -->|"stock.returned"| step_settle
      step_refund -->|"payment.refunded"| step_settle
      step_settle -->|"order.refunded"| end_refunded
      step_settle -->|"order.refunded"| step_notify
      classDef pivot stroke-width:3px
      class step_charge pivot
      classDef compensation stroke-dasharray:4 3
      class step_release compensation
      classDef compensated stroke-dasharray:4 3
      class end_rejected,end_cancelled compensated
    "
  `)
})

it('draws joins, limits and timeouts', () => {
  expect(sagaMermaid(tripSaga)).toMatchInlineSnapshot(`
    "flowchart LR
      start_trip_requested(["trip.requested"])
      subgraph service1["hotels"]
        step_bookHotel["bookHotel"]
        step_freeHotel{{"freeHotel<br/>compensates bookHotel"}}
      end
      subgraph service2["flights"]
        step_bookFlight["bookFlight<br/>at most 2 times"]
        step_freeFlight{{"freeFlight<br/>compensates bookFlight"}}
      end
      subgraph service3["trips"]
        step_confirm{{"confirm<br/>within 15 min"}}
        step_giveUp["giveUp"]
      end
      end_booked((("booked")))
      end_expired((("expired")))
      start_trip_requested --> step_bookHotel
      start_trip_requested --> step_bookFlight
      step_bookHotel -->|"hotel.booked"| step_confirm
      step_bookHotel -->|"hotel.booked"| step_freeHotel
      step_bookFlight -->|"flight.booked"| step_confirm
      step_bookFlight -->|"flight.booked"| step_freeFlight
      step_bookFlight -.->|"flight.refused"| step_bookFlight
      step_bookFlight -.->|"flight.abandoned"| step_giveUp
      step_confirm -->|"trip.booked"| end_booked
      step_confirm -.->|"trip.expired"| end_expired
      step_confirm -.->|"trip.expired"| step_freeHotel
      step_confirm -.->|"trip.expired"| step_freeFlight
      step_giveUp -->|"trip.expired"| end_expired
      step_giveUp -->|"trip.expired"| step_freeHotel
      step_giveUp -->|"trip.expired"| step_freeFlight
      classDef compensation stroke-dasharray:4 3
      class step_freeHotel,step_freeFlight compensation
      classDef compensated stroke-dasharray:4 3
      class end_expired compensated
    "
  `)
})

it('keeps names out of the syntax', () => {
  const saga = defineSaga(flat, {
    name: 's',
    starts: 'a',
    steps: {
      end: { service: 'x"]', on: 'a', emits: 'b' },
      'a b': { service: 'x"]', on: 'b', emits: 'c' },
      'a-b': { service: 'x"]', on: 'c', emits: 'd' },
    },
    ends: { end: 'd' },
  })
  const text = sagaMermaid(saga)
  expect(text).toContain('subgraph service1["x#34;#93;"]')
  expect(text).toContain('step_end["end"]')
  expect(text).toContain('step_a_b["a b"]')
  expect(text).toContain('step_a_b_2["a-b"]')
  expect(text).toContain('step_a_b_2 -->|"d"| end_end')
})
