// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/restriction_options.h"
#include "cli/sinks_commands.h"
#include "cli/upstream_commands.h"

namespace sallyport::cli {
namespace {

int run_program(const Invocation& call, Program program, const char* name) {
  if (program != nullptr) return program(call);
  return complain(call, kFailed, "not_in_this_build", std::string(name) + " is not in this build");
}

int serve(const Invocation& call, const Programs& programs) {
  return run_program(call, programs.serve, "serve");
}
int sim(const Invocation& call, const Programs& programs) {
  return run_program(call, programs.sim, "sim");
}
int demo(const Invocation& call, const Programs& programs) {
  return run_program(call, programs.demo, "demo");
}

const Argument kKeyArgument = {"key", "Name or kid of the key."};

std::vector<Command> program_commands() {
  return {
      {.path = "serve",
       .summary = "Run the gateway.",
       .options =
           {{"quickstart", "",
             "First start without a file to write: makes configuration, pepper and a first key; "
             "asks OpenAI when OPENAI_API_KEY is set, else the simulated provider."},
            {"folder", "DIRECTORY", "Where --quickstart keeps its files; var when left out."}},
       .examples = {{"sallyport serve --config /etc/sallyport/sallyport.yaml", "as a service does"},
                    {"sallyport serve --quickstart", "try it"}},
       .run = serve,
       .serves = true},
      {.path = "sim",
       .summary = "Run the simulated provider, for tests and demonstrations without a provider.",
       .options = {{"listen", "ADDRESS", "Where to listen; 127.0.0.1:8081 when left out."},
                   {"latency", "DURATION", "Wait before every answer."},
                   {"token-delay", "DURATION", "Wait between two pieces of a stream."},
                   {"seed", "NUMBER", "Same seed, same answers."},
                   {"fault", "NAME=RATE", "Break that share of calls.", true},
                   {"key", "KEY", "The key it accepts; sk-sim when left out, empty accepts any."},
                   {"strict-keys", "",
                    "Accept only --key and what its Admin API and /oauth/token hand out."},
                   {"admin-key", "KEY", "The key of its Admin API; sk-admin-sim when left out."},
                   {"alive-calls", "NUMBER", "Calls that a deleted key still gets answered."},
                   {"usage-lag", "NUMBER", "Polls of usage and costs that miss a call."}},
       .examples = {{"sallyport sim --listen 127.0.0.1:8081", "then point base_url at it"}},
       .run = sim,
       .serves = true},
      {.path = "demo",
       .summary =
           "Gateway, simulated provider and traffic in one process; needs no key, no network.",
       .run = demo,
       .serves = true},
  };
}

std::vector<Command> key_commands() {
  return {
      {.path = "keys create",
       .summary = "Create a key and print it once, on stdout.",
       .arguments = {{"name",
                      "Stable name of the key in the record, for example user_42_readonly."}},
       .options = {{"life", "DURATION", "How long it lives; keys.life when left out."},
                   {"owner", "TEXT", "Person or team to call at night."},
                   {"layer", "PATH", "The layer it hangs on: acme/support/user_42."},
                   {"derive", "", "Its holder may make derived tokens (docs/derived-tokens.md)."},
                   {"upstream", "NAME", "Send its requests to this upstream."},
                   {"module", "TEXT", "Module in the record when the client names none."},
                   {"purpose", "TEXT", "Purpose in the record when the client names none."},
                   {"allow-module", "TEXT", "A module the client may name.", true},
                   {"allow-purpose", "TEXT", "A purpose the client may name.", true},
                   {"may-name-organization", "",
                    "Let the client's OpenAI-Organization and OpenAI-Project pass."}},
       .examples = {{"sallyport keys create app-chat --life 8h", "a key for a working day"},
                    {"sallyport keys create nightly --life 1h --endpoint 'POST /v1/embeddings'",
                     "one hour, one endpoint"}},
       .run = keys_create},
      {.path = "keys list",
       .summary = "List keys; never their text.",
       .options = {{"all", "", "Also those that are revoked or expired."},
                   {"mapping", "NAME", "Only those exchanged through this identity mapping."}},
       .run = keys_list},
      {.path = "keys show",
       .summary = "Show one key: life, scope, state.",
       .arguments = {kKeyArgument},
       .run = keys_show},
      {.path = "keys update",
       .summary =
           "Change what a key may do and spend, its end, its labels; what is not named stays.",
       .arguments = {kKeyArgument},
       .options = {{"owner", "TEXT", "Person or team to call at night."},
                   {"life", "DURATION", "It ends so long from now; keys.life_max counts in all."},
                   {"until", "TIME", "It ends then: 2026-01-31T08:00:00Z."},
                   {"module", "TEXT", "Module in the record when the client names none."},
                   {"purpose", "TEXT", "Purpose in the record when the client names none."},
                   {"allow-module", "TEXT", "The modules the client may name, all anew.", true},
                   {"allow-purpose", "TEXT", "The purposes the client may name, all anew.", true},
                   {"upstream", "NAME", "Send its requests to this upstream."},
                   {"any-upstream", "", "To any upstream again."},
                   {"lift", "MEMBER", "Lift one restriction, as `keys show` names it.", true}},
       .examples = {{"sallyport keys update app-chat --rpm 60 --lift cidr", ""}},
       .run = keys_update},
      {.path = "keys block",
       .summary = "Pause a key: dead with its tokens and streams, until it is unblocked.",
       .arguments = {kKeyArgument},
       .options = {{"why", "TEXT", "Reason, for the record."}},
       .run = keys_block},
      {.path = "keys unblock",
       .summary = "End the pause of a key.",
       .arguments = {kKeyArgument},
       .options = {{"why", "TEXT", "Reason, for the record."}},
       .run = keys_unblock},
      {.path = "keys revoke",
       .summary = "Revoke a key for good, or all of one identity; streams under way are cut.",
       .arguments = {{"key", "Name or kid of the key; not with --mapping.", false}},
       .options = {{"why", "TEXT", "Reason, for the record."},
                   {"token", "TID", "Only this derived token, and what was narrowed from it."},
                   {"mapping", "NAME",
                    "All live keys that were exchanged through this identity mapping."}},
       .examples = {{"sallyport keys revoke app-chat --why 'seen in a paste'", ""}},
       .run = keys_revoke},
      {.path = "admin token",
       .summary = "Create, list or revoke named admin tokens; or replace the first one.",
       .arguments = {{"act",
                      "create prints a new token once; replace (when left out) makes a new first "
                      "token, and the old one is dead.",
                      false,
                      {"create", "list", "revoke", "replace"}},
                     {"token", "For revoke: name or id.", false}},
       .options =
           {{"name", "NAME", "For create: who it is for; part of the record."},
            {"role", "ROLE", "For create: what it may do.", false, {"viewer", "operator", "admin"}},
            {"life", "DURATION", "For create: 8h when left out, 30d at most."}},
       .examples = {{"sallyport admin token create --name ci --role operator --life 1h", ""},
                    {"sallyport admin token revoke ci", ""}},
       .run = admin_tokens},
      {.path = "admin sessions",
       .summary = "Who is logged in with a browser; end sessions.",
       .arguments = {{"act", "revoke ends them at once.", true, {"list", "revoke"}},
                     {"session", "For revoke: its id, or a person: all of theirs.", false}},
       .examples = {{"sallyport admin sessions revoke oidc:alice@example.com", ""}},
       .run = admin_sessions},
  };
}

// The caveats of derived tokens, in words (docs/derived-tokens.md).
std::vector<Command> layer_commands() {
  const Argument path = {"path",
                         "Its place in the tree: acme, acme/support, acme/support/user_42."};
  std::vector<Option> limits = {{"owner", "TEXT", "Person or team to call at night."},
                                {"until", "TIME", "Nothing below works from then on."}};
  for (Option& option : restriction_options()) limits.push_back(std::move(option));
  std::vector<Option> changes = limits;
  changes.push_back({"no-end", "", "It has no end of its own any more."});
  changes.push_back({"lift", "MEMBER", "Lift one restriction, as `layers show` names it.", true});
  return {
      {.path = "layers create",
       .summary = "Create a layer above keys: organisation, project or principal, by its depth.",
       .arguments = {path},
       .options = std::move(limits),
       .examples = {{"sallyport layers create acme --budget 500usd/month", "an organisation"},
                    {"sallyport layers create acme/support --model 'gpt-5*'", "a project of it"}},
       .run = layers_create},
      {.path = "layers set",
       .summary = "Change what a layer takes away; what is not named stays.",
       .arguments = {path},
       .options = std::move(changes),
       .examples = {{"sallyport layers set acme/support --rpm 60 --lift cidr", ""}},
       .run = layers_set},
      {.path = "layers list", .summary = "List the tree of layers.", .run = layers_list},
      {.path = "layers show",
       .summary = "Show one layer: state, end, restrictions.",
       .arguments = {path},
       .run = layers_show},
      {.path = "layers revoke",
       .summary = "Kill everything below a layer, for good; streams under way are cut.",
       .arguments = {path},
       .options = {{"why", "TEXT", "Reason, for the record."}},
       .run = layers_revoke},
      {.path = "layers reissue",
       .summary = "Kill every key and token below that was issued before now; new ones work.",
       .arguments = {path},
       .options = {{"before", "TIME", "Issued before this moment instead of now."}},
       .examples = {{"sallyport layers reissue acme --before 2026-01-31T08:00:00Z",
                     "everything from before the incident"}},
       .run = layers_reissue},
      {.path = "layers apply",
       .summary = "Create and change layers from a file, JSON or YAML, all or nothing.",
       .arguments = {{"file", "A tree: layers: {acme: {restrictions: {}, layers: {}}}."}},
       .run = layers_apply},
  };
}

std::vector<Command> derive_commands() {
  return {
      {.path = "keys derive",
       .summary = "Make a narrower, short token from a key, offline; print it on stdout.",
       .options =
           {{"from-env", "NAME", "Read the key from this variable instead of one line of stdin."},
            {"life", "DURATION", "How long it lives, at most 24h; 10m when left out."},
            {"endpoint", "FAMILY", "Allow only such endpoints: chat, responses, embeddings.", true},
            {"model", "PATTERN", "Allow only such models: gpt-5*.", true},
            {"read-only", "", "No call that creates, changes or costs."},
            {"cidr", "NETWORK", "Only from this network.", true},
            {"country", "CODE", "Only from this country: TW.", true},
            {"max-usd", "AMOUNT", "Money it may spend in its life."},
            {"max-tokens", "NUMBER", "Tokens it may use in its life."},
            {"calls", "NUMBER", "Requests it may make in its life."},
            {"rpm", "NUMBER", "Requests a minute."},
            {"tools", "NAME", "Hosted tools that may be named, or none.", true},
            {"module", "TEXT", "Fixed module in the record."},
            {"purpose", "TEXT", "Fixed purpose in the record."},
            {"certificate", "THUMBPRINT",
             "Only with this client certificate (x5t#S256, base64url)."},
            {"stream", "WORD", "yes: only streams; no: none.", false, {"yes", "no"}},
            {"narrow", "", "stdin has a derived token: narrow it further."},
            {"check", "", "Check a token on stdin against the key of --from-env, and explain it."}},
       .examples = {{"sallyport keys derive --life 10m --endpoint chat --max-usd 0.50 < key",
                     "ten minutes, half a dollar"},
                    {"sallyport keys derive --narrow --read-only < token", "hand on even less"}},
       .run = keys_derive},
      {.path = "keys rotate",
       .summary = "Put a new secret in the place of a key's; the name and its budgets stay.",
       .arguments = {kKeyArgument},
       .options = {{"overlap", "DURATION", "How long the old one works on, at most 24h; 10m."},
                   {"incident", "", "The old one ends at once."},
                   {"life", "DURATION", "Of the new one; as long as the old one's when left out."},
                   {"rotation-id", "ID", "The same again makes nothing new and shows nothing."},
                   {"deliver", "", "Send it to its target of keys.deliver instead of showing it."},
                   {"why", "TEXT", "Reason, for the record."}},
       .examples = {{"sallyport keys rotate app-chat --overlap 1h", "both work for an hour"},
                    {"sallyport keys rotate app-chat --incident", "the old one is dead now"}},
       .run = keys_rotate},
      {.path = "keys which",
       .summary = "Tell which key or derived token a secret on stdin is; exit 1: none of ours.",
       .examples = {{"sallyport keys which < found", "never as an argument"}},
       .run = keys_which},
  };
}

std::vector<Command> provable_commands() {
  return {
      {.path = "audit prove",
       .summary = "Write a proof that a record is in the signed log, and the record beside it.",
       .arguments = {{"record", "Its seq, or the id of a request."}},
       .options = {{"out", "DIRECTORY", "Where to; the current one when left out."}},
       .examples = {{"sallyport audit prove 4711 --out evidence",
                     "evidence/4711.tlog-proof and evidence/4711.record"}},
       .run = audit_prove},
      {.path = "audit check-proof",
       .summary = "Check a proof offline; exit 3 when it does not hold.",
       .arguments = {{"file", "The .tlog-proof file."}},
       .options = {{"record", "FILE", "The record's bytes."},
                   {"vkey", "KEY", "Verifier key of the log that you believe.", true}},
       .run = audit_check_proof},
      {.path = "audit consistency",
       .summary = "Print the proof that one checkpoint extends another.",
       .arguments = {{"old", "Size of the older checkpoint."}, {"new", "Size of the newer one."}},
       .run = audit_consistency},
      {.path = "audit export",
       .summary = "Write the log as a tlog-tiles folder that a web server can serve.",
       .arguments = {{"directory", "A copy that is there is brought up to date."}},
       .run = audit_export},
      {.path = "audit rotate-key",
       .summary = "Make a new signing key; the log tells of it, both keys sign once.",
       .run = audit_rotate_key},
      {.path = "audit prune",
       .summary = "Delete whole segments of the journal; what is kept stays provable.",
       .options = {{"before", "TIME", "Segments that end before it: 2026-01-31T00:00:00Z, or 90d."},
                   {"keep", "DURATION", "The same as --before that long ago."},
                   {"dry-run", "", "Only tell what would go."}},
       .run = audit_prune},
      {.path = "audit erase",
       .summary = "Forget personal fields that lie sealed in the log (audit.seal); the log stays "
                  "whole. Cannot be undone.",
       .options = {{"key", "NAME", "All that belongs to this key."},
                   {"before", "TIME",
                    "All days in UTC that are over by then: 2026-01-31T00:00:00Z, or 90d."}},
       .run = audit_erase},
      {.path = "audit accept-state",
       .summary = "After a person has looked: go on with a log whose last-signed state or key is "
                  "lost, or under a new name. The server must be stopped.",
       .options = {{"new-origin", "", "Begin a new name; the old checkpoints are put aside."},
                   {"origin", "NAME", "That name; a random one when left out."}},
       .run = audit_accept_state},
  };
}

std::vector<Command> detect_commands() {
  return {
      {.path = "replay",
       .summary =
           "Run a past log through the detectors, in the time of its lines; findings as JSON "
           "lines. Exit 3: a high or critical one.",
       .arguments = {{"log", "JSON lines, oldest first; - for stdin.", true, {}, true}},
       .options = {{"baseline", "FILE", "Begin with what was learnt before (--save-state)."},
                   {"save-state", "FILE", "Keep what was learnt."},
                   {"from", "TIME", "Only learn from what is older."},
                   {"expect", "FILE",
                    "What is an attack and what is not, as JSON lines: print how good the "
                    "findings were."}},
       .examples = {{"sallyport replay june.jsonl --save-state june.state", "learn, and tell"},
                    {"sallyport replay july.jsonl --baseline june.state", "go on from there"}},
       .run = replay_log},
      {.path = "detect explain",
       .summary = "Draw what the detectors take for normal of a key.",
       .arguments = {kKeyArgument},
       .options = {{"baseline", "FILE", "A state that `replay --save-state` wrote."}},
       .run = detect_explain},
  };
}

std::vector<Command> house_commands() {
  return {
      {.path = "audit query",
       .summary = "Print records of the journal as JSON lines, newest first; or sums of them.",
       .options = {{"key", "NAME",
                    "Of this key: its name or kid, also a kid that was only claimed."},
                   {"ip", "ADDRESS", "From this address or network."},
                   {"status", "CODE", "With this status: 401, 4xx, or open (no outcome yet)."},
                   {"endpoint", "TEXT", "Endpoint that begins so: /v1/files, \"POST /v1/chat\"."},
                   {"model", "PATTERN", "Of this model; a * at the end stands for any rest."},
                   {"kind", "KIND", "request, intent, admin, breaker ..."},
                   {"request-id", "ID", "Of this request."},
                   {"since", "TIME", "Not before: 15m (ago), or 2026-01-31T08:00:00Z."},
                   {"until", "TIME", "Before this time."},
                   {"limit", "NUMBER", "At most so many; 100 when left out, 0 is all."},
                   {"oldest-first", "", "In the order they were written."},
                   {"table", "", "Columns for a reader instead of JSON."},
                   {"where", "FIELD=VALUE",
                    "Also != < <= > >=; a range for ip, a * at the end of words, null.", true},
                   {"group-by", "FIELD", "Sums by this field; at most two.", true},
                   {"bucket", "DURATION", "Sums by spans of time: 5m, 1h."},
                   {"measure", "WHAT",
                    "count, requests, or sum, min, max, mean, distinct of a field: sum:cost_usd.",
                    true},
                   {"top", "NUMBER", "The greatest so many by the first measure."},
                   {"csv", "", "Sums as CSV."}},
       .examples = {{"sallyport audit query --key app-chat --since 15m", "what this key just did"},
                    {"sallyport audit query --status 401 --since 1h --table", "who was refused"},
                    {"sallyport audit query --group-by key --top 10 --measure sum:cost_usd",
                     "who spent most"}},
       .run = audit_query},
      {.path = "audit ask",
       .summary = "Which key looks stolen, from where, what does it cost, was there injection? "
                  "Exit 3: something was found.",
       .arguments = {{"question",
                      "One of the four; all of them when left out.",
                      false,
                      {"keys", "ips", "cost", "injection"}}},
       .options = {{"since", "DURATION", "The span that is asked about; 5m when left out."},
                   {"baseline", "DURATION", "What it is compared with; 14d before it."},
                   {"at", "TIME", "The end of the span, if it is not now."},
                   {"key", "NAME", "Of this key alone."},
                   {"offline", "", "Read the files even when a server is running."}},
       .examples = {{"sallyport audit ask --since 1h", "a report on the last hour"}},
       .run = audit_ask},
      {.path = "audit verify",
       .summary = "Read the whole journal and check every record, tile, checkpoint and signature; "
                  "exit 3 tells of damage.",
       .options = {{"vkey", "KEY", "Believe this verifier key alone, not those of the log.", true}},
       .run = audit_verify},
      {.path = "config check",
       .summary = "Check the configuration; tells all that is wrong at once.",
       .arguments = {{"file", "The file; --config when left out.", false}},
       .options = {{"no-secrets", "", "Do not follow references to secrets."}},
       .run = config_check},
      {.path = "config import",
       .summary = "Print a sallyport.yaml made from another product's configuration.",
       .arguments = {{"product", "litellm.", true, {"litellm"}}, {"file", "Its config.yaml."}},
       .examples = {{"sallyport config import litellm config.yaml > sallyport.yaml",
                     "read what stands at its end"}},
       .run = config_import},
      {.path = "config schema",
       .summary = "Print a JSON Schema of sallyport.yaml for editors.",
       .run = config_schema},
      {.path = "config explain",
       .summary = "Explain a field or a section of sallyport.yaml.",
       .arguments = {{"field", "For example http.timeouts.idle, or http.", false}},
       .options = {{"all", "", "The whole manual as Markdown."}},
       .run = config_explain},
      {.path = "doctor",
       .summary = "Check everything the gateway needs to run; exit 3 tells of a problem.",
       .options = {{"offline", "", "Leave out what needs the network."}},
       .run = doctor},
      {.path = "status",
       .summary = "Ask the running server whether it is ready; exit 3 when it is not.",
       .run = server_status},
      {.path = "budgets show",
       .summary = "What accounts have spent, hold back and are allowed.",
       .arguments = {{"account", "key:user_42, project:acme/support ...; all when left out.",
                      false}},
       .run = budgets_show},
      {.path = "budgets reset",
       .summary = "Give an account its budgets again: exhausted by mistake, or moved by a clock.",
       .arguments = {{"account", "key:user_42, project:acme/support ...", true}},
       .options = {{"window", "WINDOW", "Only minute, hour, day, month or total."},
                   {"trust-clock", "",
                    "A clock was ahead, and is right now: budgets come back "
                    "from the future."}},
       .examples = {{"sallyport budgets reset key:user_42 --window day", "what it spent today"}},
       .run = budgets_reset},
      {.path = "version", .summary = "Print the version.", .run = print_version},
      {.path = "completion",
       .summary = "Print a completion script.",
       .arguments = {{"shell", "bash or zsh.", true, {"bash", "zsh"}}},
       .examples = {{"sallyport completion bash > /etc/bash_completion.d/sallyport", ""}},
       .run = print_completion},
      {.path = "help",
       .summary = "Explain a command, or a topic: exit-codes.",
       .arguments = {{"topic", "A command or exit-codes.", false}, {"verb", "Its verb.", false}},
       .run = print_help},
  };
}

}  // namespace

std::span<const Command> commands() {
  static const std::vector<Command> table = [] {
    std::vector<Command> all = program_commands();
    for (Command& command : key_commands()) all.push_back(std::move(command));
    for (Command& command : all) {
      if (command.path != "keys create" && command.path != "keys update") continue;
      for (Option& option : restriction_options()) command.options.push_back(std::move(option));
    }
    for (Command& command : layer_commands()) all.push_back(std::move(command));
    for (Command& command : derive_commands()) all.push_back(std::move(command));
    for (Command& command : upstream_commands()) all.push_back(std::move(command));
    for (Command& command : sinks_commands()) all.push_back(std::move(command));
    for (Command& command : provable_commands()) all.push_back(std::move(command));
    for (Command& command : detect_commands()) all.push_back(std::move(command));
    for (Command& command : house_commands()) all.push_back(std::move(command));
    return all;
  }();
  return table;
}

std::span<const Option> global_options() {
  static const std::vector<Option> table = {
      {"config", "FILE",
       "Configuration; $SALLYPORT_CONFIG, ./sallyport.yaml or "
       "/etc/sallyport/sallyport.yaml when left out. Short: -c."},
      {"json", "", "Answers, and errors on stderr, as JSON."},
      {"quiet", "", "No talk on stderr but errors. Short: -q."},
      {"help", "", "Explain the command. Short: -h."},
  };
  return table;
}

const Command* find_command(std::string_view path) {
  const auto at = std::ranges::find(commands(), path, &Command::path);
  return at == commands().end() ? nullptr : &*at;
}

}  // namespace sallyport::cli
