#include "server/console/status_view.hpp"

#include "base/text.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kTextBytesMax = 300;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : sanitize(text, kTextBytesMax)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string ago(const std::optional<Instant>& at, Instant now) {
  constexpr Duration fresh{5'000};
  if (!at) return "never";
  if (now - *at < fresh) return "just now";
  return humanize(std::chrono::floor<std::chrono::seconds>(now - *at)) + " ago";
}

std::string badge(std::string_view kind, std::string_view text) {
  return "<span class=\"badge " + std::string(kind) + "\">" + escape(text) + "</span>";
}

std::string badge(Verdict verdict) {
  switch (verdict) {
    case Verdict::compliant: return badge("good", "Compliant");
    case Verdict::non_compliant: return badge("bad", "Non-compliant");
    case Verdict::unknown: break;
  }
  return badge("unknown", "Unknown");
}

// What counts nothing says it softly.
std::string tile(std::string_view label, std::uint64_t value, std::string_view kind) {
  return "<div class=\"tile " + std::string(value == 0 ? "none" : kind) + "\"><b>" + std::to_string(value) +
         "</b><span>" + std::string(label) + "</span></div>\n";
}

// `label` stands before the cell where the screen is too narrow for columns.
std::string td(std::string_view label, const std::string& html, std::string_view kind = {}) {
  return "<td data-label=\"" + std::string(label) + "\"" +
         (kind.empty() ? "" : " class=\"" + std::string(kind) + "\"") + "><div>" + html + "</div></td>";
}

std::string count(std::uint32_t value) { return value == 0 ? "<i>0</i>" : std::to_string(value); }

std::string small(const std::string& html) { return html.empty() ? "" : "<small>" + html + "</small>"; }

std::string node_row(const NodeRow& node, Instant now) {
  std::string notes;
  if (node.clone_suspected) notes += " " + badge("bad", "Cloned identity");
  if (node.reboot_required) notes += " " + badge("warn", "Reboot required");
  const std::string baseline = node.baseline_name.empty() ? node.baseline_id : node.baseline_name;
  return "<tr>" + td("", "<b>" + escape(node.name) + "</b>" + small(escape(node.node_id)), "name") +
         td("System", escape(node.system)) +
         td("Link",
            std::string("<span class=\"dot ") + (node.online ? "good" : "unknown") + "\"></span>" +
                (node.online ? "Online" : "Not heard of") + small(ago(node.last_seen_at, now)),
            "still") +
         td("Verdict", badge(node.verdict) + notes + small(escape(node.why))) +
         td("Missing", count(node.missing), "n") + td("Failed", count(node.failed), "n") +
         td("Pending reboot", count(node.pending_reboot), "n") + td("Held back", count(node.held_back), "n") +
         td("Scanned", ago(node.scanned_at, now), "still") + td("Baseline", small(escape(baseline))) + "</tr>\n";
}

// What an operator has to decide, where there is something.
std::string notice(const StatusView& view) {
  if (view.cloned == 0) return {};
  return "<section class=\"notice\"><b>" + std::to_string(view.cloned) +
         (view.cloned == 1 ? " identity is" : " identities are") +
         " used by two machines at once.</b> Such a node gets no orders. <code>belay nodes</code> says where both are; "
         "enrol the copy anew, then <code>belay nodes settle NODE</code>.</section>\n";
}

std::string node_table(const StatusView& view) {
  if (view.nodes.empty())
    return "<p class=\"empty\">No nodes yet. Make a permission to join with <code>belay activation create</code>; it "
           "prints what to run on the host.</p>\n";
  std::string html =
      "<table><thead><tr><th>Node</th><th>System</th><th>Link</th><th>Verdict</th><th class=\"n\">Missing</th><th "
      "class=\"n\">Failed</th>"
      "<th class=\"n\">Pending reboot</th><th class=\"n\">Held "
      "back</th><th>Scanned</th><th>Baseline</th></tr></thead><tbody>\n";
  for (const auto& node : view.nodes) html += node_row(node, view.now);
  html += "</tbody></table>\n";
  if (view.nodes_total > view.nodes.size())
    html += "<p class=\"empty\">" + std::to_string(view.nodes_total - view.nodes.size()) +
            " more: <code>belay compliance</code> lists all.</p>\n";
  return html;
}

// SSM's words of a command, as far as they need a colour.
std::string_view status_kind(std::string_view status) {
  if (status == "Success") return "good";
  if (status == "Pending" || status == "InProgress" || status == "Delayed") return "unknown";
  return status == "Cancelled" || status == "Cancelling" ? "warn" : "bad";
}

std::string command_table(const StatusView& view) {
  if (view.commands.empty()) return "<p class=\"empty\">Nothing has run yet.</p>\n";
  std::string html =
      "<table><thead><tr><th>Command</th><th>Status</th><th>Requested</th><th class=\"n\">Nodes</th>"
      "<th class=\"n\">Done</th><th class=\"n\">Errors</th></tr></thead><tbody>\n";
  for (const auto& c : view.commands)
    html += "<tr>" + td("", "<b>" + escape(c.document) + "</b>" + small(escape(c.command_id)), "name") +
            td("Status", badge(status_kind(c.status), c.status)) +
            td("Requested", ago(c.requested_at, view.now), "still") + td("Nodes", count(c.targets), "n") +
            td("Done", count(c.completed), "n") + td("Errors", count(c.errors), "n") + "</tr>\n";
  return html + "</tbody></table>\n";
}

}  // namespace

std::string to_html(const StatusView& view) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Belay</title>"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"refresh\" "
         "content=\"15\">"
         "<link rel=\"stylesheet\" href=\"/console/style.css\"></head><body>\n"
         "<header><h1>Belay</h1><p>No patch without a proven way back</p><span>" +
         to_iso8601(view.now).substr(0, 10) + " " + to_iso8601(view.now).substr(11, 5) + " UTC · version " +
         escape(view.version) + "</span></header>\n<main>\n" + notice(view) + "<section class=\"tiles\">\n" +
         tile("nodes", view.nodes_total, "") + tile("online", view.online_total, "") +
         tile("compliant", view.compliant, "good") + tile("non-compliant", view.non_compliant, "bad") +
         tile("unknown", view.unknown, "unknown") + "</section>\n<section><h2>Nodes</h2>\n" + node_table(view) +
         "</section>\n<section><h2>Commands</h2>\n" + command_table(view) + "</section>\n</main></body></html>\n";
}

std::string_view style_sheet() {
  return R"css(:root{--ink:#16202b;--soft:#5b6b7b;--line:#dfe5eb;--ground:#f4f6f8;--card:#fff;--good:#1d7f4e;--bad:#b3261e;--warn:#9a5b00;--unknown:#5b6b7b}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#93a1af;--line:#2b3642;--ground:#0f151b;--card:#18212a;--good:#4cc38a;--bad:#ff7b72;--warn:#e3a13c;--unknown:#93a1af}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
header{display:flex;gap:1rem;align-items:baseline;padding:1rem 2rem;background:#10243a;color:#fff}
header h1{margin:0;font-size:1.35rem}header p{margin:0;opacity:.75;flex:1}header span{opacity:.75;font-size:.85rem}
main{padding:1.5rem 2rem;max-width:1400px;margin:auto}h2{font-size:1.05rem;margin:0 0 .75rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.3rem;margin-bottom:1.3rem;overflow-x:auto}
.tiles{display:flex;gap:1rem;flex-wrap:wrap;background:none;border:0;padding:0}
.tile{flex:1;min-width:130px;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.9rem 1.2rem}
.tile b{display:block;font-size:1.9rem;line-height:1.1}.tile span{color:var(--soft)}
.tile.good b{color:var(--good)}.tile.bad b{color:var(--bad)}.tile.unknown b{color:var(--unknown)}
table{border-collapse:collapse;width:100%}th{text-align:left;color:var(--soft);font-weight:600;font-size:.82rem}
th,td{padding:.5rem .7rem;border-bottom:1px solid var(--line);vertical-align:top}tr:last-child td{border-bottom:0}
.n{text-align:right;font-variant-numeric:tabular-nums}td small{display:block;color:var(--soft);overflow-wrap:anywhere}
td i{color:var(--soft);font-style:normal;opacity:.5}.name b,.still,.still small{white-space:nowrap}
.badge{display:inline-block;margin:.05rem 0;padding:.05rem .5rem;border-radius:999px;font-size:.82rem;font-weight:600;border:1px solid currentColor;white-space:nowrap}
.badge.good{color:var(--good)}.badge.bad{color:var(--bad)}.badge.warn{color:var(--warn)}.badge.unknown{color:var(--unknown)}
.dot{display:inline-block;width:.6rem;height:.6rem;border-radius:50%;margin-right:.4rem}.dot.good{background:var(--good)}.dot.unknown{background:var(--unknown)}
.empty{color:var(--soft);margin:.3rem 0}code{background:var(--ground);padding:.1rem .35rem;border-radius:4px}
.tile.none b{color:var(--soft);opacity:.6}.notice{border-color:var(--bad)}
@media (max-width:820px){header{flex-wrap:wrap;gap:.2rem 1rem;padding:.8rem 1rem}header p{display:none}header span{margin-left:auto}
main{padding:1rem}section{padding:.9rem 1rem}.tiles{gap:.6rem}.tile{min-width:100px;padding:.6rem .8rem}.tile b{font-size:1.5rem}
thead{display:none}table,tbody,tr{display:block}tr{padding:.6rem 0;border-bottom:1px solid var(--line)}tr:last-child{border-bottom:0}
td,td.n{display:flex;border:0;padding:.12rem 0;text-align:left}td:not([data-label=""])::before{content:attr(data-label);flex:0 0 8.5rem;color:var(--soft);font-size:.82rem;padding-top:.1rem}
.name b{white-space:normal;overflow-wrap:anywhere}.still small{display:inline;margin-left:.4rem}td.n:has(i){display:none}}
)css";
}

}  // namespace belay::server
