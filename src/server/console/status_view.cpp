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
  if (!at) return "never";
  return humanize(std::chrono::floor<std::chrono::seconds>(now - *at)) + " ago";
}

std::string badge(Verdict verdict) {
  switch (verdict) {
    case Verdict::compliant: return "<span class=\"badge good\">Compliant</span>";
    case Verdict::non_compliant: return "<span class=\"badge bad\">Non-compliant</span>";
    case Verdict::unknown: break;
  }
  return "<span class=\"badge unknown\">Unknown</span>";
}

std::string tile(std::string_view label, std::uint64_t value, std::string_view kind) {
  return "<div class=\"tile " + std::string(kind) + "\"><b>" + std::to_string(value) + "</b><span>" +
         std::string(label) + "</span></div>\n";
}

std::string td(const std::string& html, std::string_view kind = {}) {
  return kind.empty() ? "<td>" + html + "</td>" : "<td class=\"" + std::string(kind) + "\">" + html + "</td>";
}

std::string count(std::uint32_t value) { return value == 0 ? "<i>0</i>" : std::to_string(value); }

std::string node_row(const NodeRow& node, Instant now) {
  std::string notes;
  if (node.clone_suspected) notes += " <span class=\"badge bad\">Cloned identity</span>";
  if (node.reboot_required) notes += " <span class=\"badge warn\">Reboot required</span>";
  const std::string why = node.why.empty() ? "" : "<small>" + escape(node.why) + "</small>";
  return "<tr>" + td("<b>" + escape(node.name) + "</b><small>" + escape(node.node_id) + "</small>") +
         td(escape(node.system)) +
         td(std::string("<span class=\"dot ") + (node.online ? "good" : "unknown") + "\"></span>" +
            (node.online ? "Online" : "Not heard of") + "<small>" + ago(node.last_seen_at, now) + "</small>") +
         td(badge(node.verdict) + notes + why) + td(count(node.missing), "n") + td(count(node.failed), "n") +
         td(count(node.pending_reboot), "n") + td(count(node.held_back), "n") + td(ago(node.scanned_at, now)) +
         td("<small>" + escape(node.baseline_id) + "</small>") + "</tr>\n";
}

std::string node_table(const StatusView& view) {
  if (view.nodes.empty())
    return "<p class=\"empty\">No nodes yet. <code>belay activation create</code>, then <code>belay-agent "
           "enroll</code> on a host.</p>\n";
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

std::string command_table(const StatusView& view) {
  if (view.commands.empty()) return "<p class=\"empty\">Nothing has run yet.</p>\n";
  std::string html =
      "<table><thead><tr><th>Command</th><th>Document</th><th>Status</th><th>Requested</th><th class=\"n\">Nodes</th>"
      "<th class=\"n\">Done</th><th class=\"n\">Errors</th></tr></thead><tbody>\n";
  for (const auto& c : view.commands)
    html += "<tr>" + td("<small>" + escape(c.command_id) + "</small>") + td(escape(c.document)) + td(escape(c.status)) +
            td(ago(c.requested_at, view.now)) + td(count(c.targets), "n") + td(count(c.completed), "n") +
            td(count(c.errors), "n") + "</tr>\n";
  return html + "</tbody></table>\n";
}

}  // namespace

std::string to_html(const StatusView& view) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Belay</title>"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"refresh\" "
         "content=\"15\">"
         "<link rel=\"stylesheet\" href=\"/console/style.css\"></head><body>\n"
         "<header><h1>Belay</h1><p>No patch without a proven way back</p><span>" +
         to_iso8601(view.now) + " · version " + escape(view.version) +
         "</span></header>\n<main>\n<section class=\"tiles\">\n" + tile("nodes", view.nodes_total, "") +
         tile("online", view.online_total, "") + tile("compliant", view.compliant, "good") +
         tile("non-compliant", view.non_compliant, "bad") + tile("unknown", view.unknown, "unknown") +
         "</section>\n<section><h2>Nodes</h2>\n" + node_table(view) + "</section>\n<section><h2>Commands</h2>\n" +
         command_table(view) + "</section>\n</main></body></html>\n";
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
.n{text-align:right;font-variant-numeric:tabular-nums}td small{display:block;color:var(--soft)}td i{color:var(--soft);font-style:normal;opacity:.5}
.badge{display:inline-block;padding:.05rem .5rem;border-radius:999px;font-size:.82rem;font-weight:600;border:1px solid currentColor}
.badge.good{color:var(--good)}.badge.bad{color:var(--bad)}.badge.warn{color:var(--warn)}.badge.unknown{color:var(--unknown)}
.dot{display:inline-block;width:.6rem;height:.6rem;border-radius:50%;margin-right:.4rem}.dot.good{background:var(--good)}.dot.unknown{background:var(--unknown)}
.empty{color:var(--soft);margin:.3rem 0}code{background:var(--ground);padding:.1rem .35rem;border-radius:4px}
)css";
}

}  // namespace belay::server
