# SPDX-License-Identifier: Apache-2.0
# The table of packaging/bigquery/schema.json, one row a record. A record can be there twice after a
# restart: counts are of distinct ids, sums are of requests as they came.
view: audit {
  sql_table_name: `sallyport.audit` ;;

  dimension: id {
    primary_key: yes
    sql: ${TABLE}.id ;;
  }
  dimension_group: ts {
    type: time
    timeframes: [raw, minute, hour, date, week, month]
    sql: ${TABLE}.timestamp_utc ;;
  }
  dimension: kind { sql: ${TABLE}.kind ;; }
  dimension: api_key_id { sql: ${TABLE}.api_key_id ;; }
  dimension: layer { sql: ${TABLE}.layer ;; }
  dimension: model { sql: ${TABLE}.model ;; }
  dimension: module { sql: ${TABLE}.module ;; }
  dimension: purpose { sql: ${TABLE}.purpose ;; }
  dimension: endpoint { sql: ${TABLE}.endpoint ;; }
  dimension: error { sql: ${TABLE}.error ;; }
  dimension: ip { sql: ${TABLE}.ip ;; }
  dimension: country {
    map_layer_name: countries
    sql: ${TABLE}.geo ;;
  }
  dimension: network { sql: ${TABLE}.network ;; }
  dimension: injection_verdict { sql: ${TABLE}.injection_verdict ;; }
  dimension: action { sql: ${TABLE}.action ;; }
  dimension: actor { sql: ${TABLE}.actor ;; }
  dimension: status {
    type: number
    sql: ${TABLE}.status ;;
  }
  dimension: is_request {
    type: yesno
    sql: ${TABLE}.kind = 'request' ;;
  }

  measure: records {
    type: count_distinct
    sql: ${TABLE}.id ;;
  }
  measure: requests {
    type: count_distinct
    filters: [kind: "request"]
    sql: ${TABLE}.id ;;
  }
  measure: refused {
    type: count_distinct
    filters: [kind: "request", status: ">=400"]
    sql: ${TABLE}.id ;;
  }
  measure: addresses {
    type: count_distinct
    sql: ${TABLE}.ip ;;
  }
  measure: tokens {
    type: sum
    filters: [kind: "request"]
    sql: COALESCE(${TABLE}.tokens_input, 0) + COALESCE(${TABLE}.tokens_output, 0) ;;
  }
  measure: cost_usd {
    type: sum
    filters: [kind: "request"]
    sql: ${TABLE}.cost_usd ;;
    value_format_name: usd
  }
  measure: latency_p95_ms {
    type: percentile
    percentile: 95
    filters: [kind: "request"]
    sql: ${TABLE}.latency_ms ;;
  }
}
