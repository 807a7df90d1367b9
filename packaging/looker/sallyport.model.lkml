# SPDX-License-Identifier: Apache-2.0
# The connection is the one to BigQuery that your Looker has; change its name here.
connection: "bigquery_sallyport"
include: "/*.view.lkml"
include: "/*.dashboard.lookml"

explore: audit {
  label: "Sallyport"
  description: "Calls of models through the gate, and what was done about them."
}
