# SPDX-License-Identifier: Apache-2.0
- dashboard: sallyport
  title: Sallyport
  layout: newspaper
  preferred_viewer: dashboards-next
  elements:
  - name: cost_by_key
    title: Cost by key
    model: sallyport
    explore: audit
    type: looker_column
    fields: [audit.ts_date, audit.api_key_id, audit.cost_usd]
    pivots: [audit.api_key_id]
    filters: {audit.ts_date: 30 days}
    sorts: [audit.ts_date]
    row: 0
    col: 0
    width: 12
    height: 8
  - name: requests_and_refusals
    title: Requests and refusals
    model: sallyport
    explore: audit
    type: looker_line
    fields: [audit.ts_hour, audit.requests, audit.refused]
    filters: {audit.ts_hour: 3 days}
    sorts: [audit.ts_hour]
    row: 0
    col: 12
    width: 12
    height: 8
  - name: addresses_by_key
    title: Addresses and countries by key
    model: sallyport
    explore: audit
    type: looker_grid
    fields: [audit.api_key_id, audit.country, audit.addresses, audit.requests]
    filters: {audit.ts_date: 1 days, audit.kind: request}
    sorts: [audit.addresses desc]
    row: 8
    col: 0
    width: 12
    height: 8
  - name: injection
    title: Prompt injection by key
    model: sallyport
    explore: audit
    type: looker_grid
    fields: [audit.api_key_id, audit.injection_verdict, audit.requests]
    filters: {audit.ts_date: 7 days, audit.injection_verdict: "alert,block"}
    sorts: [audit.requests desc]
    row: 8
    col: 12
    width: 12
    height: 8
