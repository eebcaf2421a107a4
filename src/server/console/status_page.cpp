#include "server/console/status_page.hpp"

#include <map>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/fleet/problem.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/permissions.hpp"
#include "store/baselines.hpp"
#include "store/commands.hpp"
#include "store/nodes.hpp"
#include "store/principals.hpp"
#include "store/verdicts.hpp"

namespace belay::server {
namespace {

constexpr std::string_view kReadPermission = "ssm:DescribeInstanceInformation";

std::uint32_t number(const json::Value& object, std::string_view member) {
  const auto* value = json::find(object, member);
  return value && value->is_number() ? value->to_number<std::uint32_t>() : 0;
}

std::string why_of(const store::verdicts::Verdict& verdict) {
  const auto reasons = json::decode_text<std::vector<fleet::Problem>>(verdict.reasons);
  if (!reasons.ok() || reasons->empty()) return {};
  const auto& first = reasons->front();
  return std::string(boost::describe::enum_to_string(first.reason, "")) + ": " + first.detail;
}

Verdict verdict_of(store::verdicts::Compliance compliance) {
  switch (compliance) {
    case store::verdicts::Compliance::compliant: return Verdict::compliant;
    case store::verdicts::Compliance::non_compliant: return Verdict::non_compliant;
    case store::verdicts::Compliance::unknown: break;
  }
  return Verdict::unknown;
}

NodeRow row_of(const store::nodes::Node& node, const StatusPageSettings& settings, Instant now) {
  NodeRow row;
  row.node_id = node.node_id;
  row.name = node.name;
  row.system = node.facts.os_name;
  row.agent_version = node.agent_version;
  row.last_seen_at = node.last_seen_at;
  row.online = node.last_seen_at && now - *node.last_seen_at <= settings.online_within;
  row.reboot_required = node.facts.reboot_required;
  row.clone_suspected = node.clone_seen_at.has_value();
  row.why = "never scanned";
  return row;
}

void add_verdict(NodeRow& row, const store::verdicts::Verdict& verdict) {
  row.verdict = verdict_of(verdict.compliance);
  row.baseline_id = verdict.baseline_id;
  if (!verdict.scan_id.empty()) row.scanned_at = verdict.observed_at;
  row.why = why_of(verdict);
  const auto counters = json::parse(verdict.counters);
  if (!counters.ok()) return;
  row.missing = number(*counters, "missing");
  row.failed = number(*counters, "failed");
  row.pending_reboot = number(*counters, "installed_pending_reboot");
  row.held_back = number(*counters, "available_security_update");
}

// From when on a scan and a sign of life count.
struct Policy {
  Instant observed_from{}, seen_from{};
};

void mind_age(NodeRow& row, const store::nodes::Node& node, const Policy& policy, Instant now) {
  const Instant heard = node.last_seen_at.value_or(node.registered_at);
  if (row.scanned_at && *row.scanned_at < policy.observed_from)
    row.why = "scan_stale: the newest scan is " + humanize(now - *row.scanned_at) + " old";
  else if (heard < policy.seen_from)
    row.why = "agent_dark: the agent was last heard of " + humanize(now - heard) + " ago";
  else return;
  row.verdict = Verdict::unknown;
}

// One question for each baseline, not for each node.
Status name_baselines(store::Sql& sql, StatusView& view) {
  std::map<std::string, std::string> names;
  for (auto& row : view.nodes) {
    const auto [at, added] = names.try_emplace(row.baseline_id);
    if (added && !row.baseline_id.empty()) {
      const auto baseline = store::baselines::get(sql, row.baseline_id);
      if (baseline.ok()) at->second = baseline->name;
      else if (baseline.error().code() != Code::not_found) return baseline.error();  // deleted since: its id says all
    }
    row.baseline_name = at->second;
  }
  return {};
}

// Those that need somebody first.
Status add_nodes(store::Sql& sql, const StatusPageSettings& settings, const Policy& policy, StatusView& view) {
  BELAY_TRY_ASSIGN(const auto ids, store::verdicts::by_need(sql, policy.observed_from, policy.seen_from, kNodesShown));
  BELAY_TRY_ASSIGN(const auto nodes, store::nodes::get_many(sql, ids));
  BELAY_TRY_ASSIGN(const auto verdicts, store::verdicts::newest_of(sql, ids));
  std::map<std::string, NodeRow> rows;
  for (const auto& node : nodes) rows[node.node_id] = row_of(node, settings, view.now);
  for (const auto& verdict : verdicts) add_verdict(rows[verdict.node_id], verdict);
  for (const auto& node : nodes) mind_age(rows[node.node_id], node, policy, view.now);
  for (const auto& id : ids) view.nodes.push_back(std::move(rows[id]));
  return name_baselines(sql, view);
}

// Sums over the whole fleet, not over what is shown.
Status add_totals(store::Sql& sql, const StatusPageSettings& settings, const Policy& policy, StatusView& view) {
  store::nodes::NodeFilter heard_of;
  heard_of.seen = {{.from = view.now - settings.online_within, .before = std::nullopt}};
  BELAY_TRY_ASSIGN(const auto online, store::nodes::count(sql, heard_of));
  BELAY_TRY_ASSIGN(const auto totals, store::verdicts::totals(sql, policy.observed_from, policy.seen_from));
  store::nodes::NodeFilter in_doubt;
  in_doubt.only_in_doubt = true;
  BELAY_TRY_ASSIGN(const auto cloned, store::nodes::count(sql, in_doubt));
  view.online_total = static_cast<std::uint64_t>(online);
  view.cloned = static_cast<std::uint64_t>(cloned);
  view.compliant = static_cast<std::uint64_t>(totals.compliant);
  view.non_compliant = static_cast<std::uint64_t>(totals.non_compliant);
  view.unknown = static_cast<std::uint64_t>(totals.unknown);
  view.nodes_total = view.compliant + view.non_compliant + view.unknown;
  return {};
}

Status add_commands(store::Sql& sql, StatusView& view) {
  BELAY_TRY_ASSIGN(const auto commands, store::commands::list(sql, {}, {.limit = kCommandsShown, .after = {}}));
  for (const auto& c : commands.items)
    view.commands.push_back({c.command_id, c.document_name, c.status_details, c.requested_at, c.target_count,
                             c.completed_count, c.error_count});
  return {};
}

io::HttpResponse answer(int status, std::string_view type, std::string body) {
  io::HttpResponse response;
  response.status = status;
  response.headers.set("Content-Type", std::string(type));
  response.headers.set("Content-Security-Policy",
                       "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("Cache-Control", "no-store");
  response.body = std::move(body);
  return response;
}

}  // namespace

Result<StatusView> gather_status(store::Store& store, const StatusPageSettings& settings, Instant now) {
  return store.read([&](store::Sql& sql) -> Result<StatusView> {
    StatusView view;
    view.version = settings.version;
    view.now = now;
    BELAY_TRY_ASSIGN(const auto judged_by, read_judge_policy(sql));
    const Policy policy{now - judged_by.stale_after, now - judged_by.dark_after};
    BELAY_TRY(add_nodes(sql, settings, policy, view));
    BELAY_TRY(add_totals(sql, settings, policy, view));
    BELAY_TRY(add_commands(sql, view));
    return view;
  });
}

bool StatusPage::signed_in(const io::HttpRequest& request) {
  constexpr std::string_view scheme = "Basic ";
  const auto given = request.headers.get("Authorization");
  if (!given.starts_with(scheme)) return false;
  const auto pair = from_base64(trim(given.substr(scheme.size())));
  if (!pair.ok()) return false;
  const auto colon = pair->find(':');
  if (colon == std::string::npos) return false;
  const auto caller = store_.read([&](store::Sql& sql) {
    return store::principals::by_bearer(sql, store::principals::BearerKind::token, pair->substr(colon + 1),
                                        clock_.now());
  });
  return caller.ok() && is_allowed(caller->principal.permissions, kReadPermission);
}

io::HttpResponse StatusPage::handle(const io::HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD")
    return answer(405, "text/plain; charset=utf-8", "only GET is answered here\n");
  if (!signed_in(request)) {
    auto refusal =
        answer(401, "text/plain; charset=utf-8",
               "Sign in with any name and, as the password, a token (BELAY_TOKEN in the server's admin.env).\n");
    refusal.headers.set("WWW-Authenticate", "Basic realm=\"Belay\", charset=\"UTF-8\"");
    return refusal;
  }
  if (request.path() == "/console/style.css") return answer(200, "text/css; charset=utf-8", std::string(style_sheet()));
  if (request.path() != "/" && request.path() != "/console" && request.path() != "/console/")
    return answer(404, "text/plain; charset=utf-8", "there is no such page; the status page is at /\n");
  const auto view = gather_status(store_, settings_, clock_.now());
  if (!view.ok()) return answer(503, "text/plain; charset=utf-8", "the store cannot be read now; try again\n");
  return answer(200, "text/html; charset=utf-8", to_html(*view));
}

}  // namespace belay::server
