#include "server/console/status_page.hpp"

#include <map>
#include <set>
#include <tuple>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "core/fleet/problem.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/permissions.hpp"
#include "store/baselines.hpp"
#include "store/commands.hpp"
#include "store/nodes.hpp"
#include "store/principals.hpp"

namespace belay::server {
namespace {

constexpr std::string_view kReadPermission = "ssm:DescribeInstanceInformation";

// First those that need somebody.
int need_of(Verdict verdict) { return verdict == Verdict::non_compliant ? 0 : verdict == Verdict::unknown ? 1 : 2; }

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
  return row;
}

void add_verdict(NodeRow& row, const JudgedCounts& judged) {
  row.verdict = verdict_of(judged.compliance);
  row.baseline_id = judged.choice.baseline_id;
  row.scanned_at = judged.observed_at;
  if (!judged.reasons.empty()) {
    const auto& first = judged.reasons.front();
    row.why = std::string(boost::describe::enum_to_string(first.reason, "")) + ": " + first.detail;
  }
  row.missing = judged.counts.missing;
  row.failed = judged.counts.failed;
  row.pending_reboot = judged.counts.installed_pending_reboot;
  row.held_back = judged.counts.available_security_update;
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

// What is kept of a node while the fleet is walked through: its place in the list, and what is said of it.
struct Candidate {
  int need = 0;
  std::string name;
  JudgedCounts judged;
  bool operator<(const Candidate& other) const {
    return std::tie(need, name, judged.node_id) < std::tie(other.need, other.name, other.judged.node_id);
  }
};

void count(StatusView& view, Verdict verdict) {
  ++view.nodes_total;
  ++(verdict == Verdict::compliant       ? view.compliant
     : verdict == Verdict::non_compliant ? view.non_compliant
                                         : view.unknown);
}

// The whole fleet judged now, as GetFleetReport does: summed up, and the kNodesShown that need somebody most.
Result<std::set<Candidate>> judge_fleet(store::Store& store, Judge& judge, StatusView& view) {
  std::set<Candidate> first;
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto nodes,
                     store.read([&](store::Sql& sql) { return store::nodes::list_briefs(sql, {}, page); }));
    std::vector<std::string> ids;
    std::map<std::string, std::string> names;
    for (const auto& node : nodes.items) ids.push_back(node.node_id), names[node.node_id] = node.name;
    BELAY_TRY_ASSIGN(auto judged, judge.counts(ids));
    for (auto& counts : judged) {
      const auto verdict = verdict_of(counts.compliance);
      count(view, verdict);
      std::string name = std::move(names[counts.node_id]);
      first.insert({need_of(verdict), std::move(name), std::move(counts)});
      if (first.size() > kNodesShown) first.erase(std::prev(first.end()));
    }
    page.after = nodes.next;
  } while (!page.after.empty());
  return first;
}

Status add_nodes(store::Sql& sql, const std::set<Candidate>& first, const StatusPageSettings& settings,
                 StatusView& view) {
  std::vector<std::string> ids;
  for (const auto& candidate : first) ids.push_back(candidate.judged.node_id);
  BELAY_TRY_ASSIGN(const auto nodes, store::nodes::get_many(sql, ids));
  std::map<std::string, NodeRow> rows;
  for (const auto& node : nodes) rows[node.node_id] = row_of(node, settings, view.now);
  for (const auto& candidate : first) {
    auto& row = rows[candidate.judged.node_id];
    add_verdict(row, candidate.judged);
    view.nodes.push_back(std::move(row));
  }
  return name_baselines(sql, view);
}

// Sums over the whole fleet, not over what is shown.
Status add_presence(store::Sql& sql, const StatusPageSettings& settings, StatusView& view) {
  store::nodes::NodeFilter heard_of;
  heard_of.seen = {{.from = view.now - settings.online_within, .before = std::nullopt}};
  BELAY_TRY_ASSIGN(const auto online, store::nodes::count(sql, heard_of));
  store::nodes::NodeFilter in_doubt;
  in_doubt.only_in_doubt = true;
  BELAY_TRY_ASSIGN(const auto cloned, store::nodes::count(sql, in_doubt));
  view.online_total = static_cast<std::uint64_t>(online);
  view.cloned = static_cast<std::uint64_t>(cloned);
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

Result<StatusView> gather_status(store::Store& store, Judge& judge, const StatusPageSettings& settings, Instant now) {
  StatusView view;
  view.version = settings.version;
  view.now = now;
  BELAY_TRY_ASSIGN(const auto first, judge_fleet(store, judge, view));
  return store.read([&](store::Sql& sql) -> Result<StatusView> {
    StatusView whole = view;  // the reading may be done twice
    BELAY_TRY(add_nodes(sql, first, settings, whole));
    BELAY_TRY(add_presence(sql, settings, whole));
    BELAY_TRY(add_commands(sql, whole));
    return whole;
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
  const auto view = gather_status(store_, judge_, settings_, clock_.now());
  if (!view.ok()) return answer(503, "text/plain; charset=utf-8", "the store cannot be read now; try again\n");
  return answer(200, "text/html; charset=utf-8", to_html(*view));
}

}  // namespace belay::server
