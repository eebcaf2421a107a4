#include "cli/report_html.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.hpp"

namespace belay::cli {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { --ink: #16191f; --soft: #5f6b7a; --line: #d9dee6; --page: #f4f6f9; --card: #fff; --good: #0f7b3a; --bad: #c22a1f; --mind: #9a6700; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #333c49; --page: #11161d; --card: #1a212b; --good: #4cc38a; --bad: #ff7b72; --mind: #e3b341; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: auto; }
h1 { font-size: 1.6rem; margin: 0 0 1.5rem; }
h2 { font-size: 1.15rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1rem 0 .5rem; color: var(--soft); }
article { border-left: 3px solid var(--bad); padding: .25rem 0 .25rem 1rem; margin: 0 0 1.25rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.25rem; margin: 0 0 1rem; overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: var(--soft); font-weight: 500; } th, td { padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
ul { margin: 0; padding-left: 1.2rem; }
pre { margin: .25rem 0; padding: .75rem; border-radius: 6px; background: var(--page); white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; }
.good, .bad, .mind { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); } .mind { color: var(--mind); }
@media print { body { background: none; padding: 0; } section { break-inside: avoid-page; } }
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : sanitize(text, 1u << 20)) {
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

// "failure_log" and "FailureLog" are "Failure log".
std::string heading(std::string_view member) {
  std::string words;
  for (const char c : member) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool after_word = !words.empty() && words.back() >= 'a' && words.back() <= 'z';
    if (c == '_') words += ' ';
    else if (upper && after_word) words += std::string(" ") + static_cast<char>(c - 'A' + 'a');
    else words += c;
  }
  if (!words.empty() && words.front() >= 'a' && words.front() <= 'z')
    words.front() = static_cast<char>(words.front() - 'a' + 'A');
  return words;
}

// States have the colours that they have in people's heads.
std::string_view class_of(std::string_view word) {
  constexpr std::array<std::string_view, 6> kGood{"Committed", "Completed", "Green",
                                                  "committed", "COMPLIANT", "available"};
  constexpr std::array<std::string_view, 9> kBad{"Halted",       "RollbackFailed", "Inconsistent",
                                                 "Aborted",      "Failed",         "rollback_failed",
                                                 "inconsistent", "NON_COMPLIANT",  "damaged"};
  constexpr std::array<std::string_view, 9> kMind{"RolledBack", "RollingBack", "Held",    "Paused", "rolled_back",
                                                  "suspect",    "quarantined", "Partial", "Expired"};
  if (std::ranges::find(kGood, word) != kGood.end()) return "good";
  if (std::ranges::find(kBad, word) != kBad.end()) return "bad";
  if (std::ranges::find(kMind, word) != kMind.end()) return "mind";
  return "";
}

std::string scalar(const json::Value& value) {
  if (value.is_null()) return "-";
  if (value.is_bool()) return value.get_bool() ? "yes" : "no";
  if (!value.is_string()) return escaped(json::to_text(value));
  const std::string_view text = value.get_string();
  if (text.empty()) return "-";
  if (const auto colour = class_of(text); !colour.empty())
    return "<span class=\"" + std::string(colour) + "\">" + escaped(text) + "</span>";
  if (text.find('\n') != std::string_view::npos) return "<pre>" + escaped(text) + "</pre>";
  return escaped(text);
}

bool is_nested(const json::Value& value) { return value.is_object() || value.is_array(); }
bool is_empty(const json::Value& value) {
  if (const auto* list = value.if_array()) return list->empty();
  if (const auto* object = value.if_object()) return object->empty();
  return value.is_null() || (value.is_string() && value.get_string().empty());
}

std::string render(const json::Value& value);

std::string table_of(const json::Array& rows) {
  std::vector<std::string> columns;
  for (const auto& row : rows)
    for (const auto& member : row.get_object()) {
      const std::string name(member.key());
      if (!is_empty(member.value()) && std::ranges::find(columns, name) == columns.end()) columns.push_back(name);
    }
  std::string html = "<table><thead><tr>";
  for (const auto& column : columns) html += "<th scope=\"col\">" + escaped(heading(column)) + "</th>";
  html += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    html += "<tr>";
    for (const auto& column : columns) {
      const auto* value = json::find(row, column);
      html += "<td>" + (value ? render(*value) : std::string("-")) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table>\n";
}

// What does not fit into one cell of a table.
bool is_large(const json::Value& value) {
  if (const auto* text = value.if_string()) return text->find('\n') != std::string_view::npos;
  if (const auto* list = value.if_array())
    return std::ranges::any_of(*list, [](const auto& item) { return is_nested(item) || is_large(item); });
  const auto* object = value.if_object();
  return object && std::ranges::any_of(*object, [](const auto& member) {
           return is_nested(member.value()) || is_large(member.value());
         });
}

std::string list_of(const json::Array& items) {
  if (items.empty()) return "-";
  if (std::ranges::all_of(items, [](const auto& item) { return item.is_object(); })) {
    const bool rows = std::ranges::none_of(items, [](const auto& item) {
      return std::ranges::any_of(item.get_object(), [](const auto& member) { return is_large(member.value()); });
    });
    if (rows) return table_of(items);
    std::string html;
    for (const auto& item : items) html += "<article>" + render(item) + "</article>\n";
    return html;
  }
  std::string html = "<ul>";
  for (const auto& item : items) html += "<li>" + render(item) + "</li>";
  return html + "</ul>\n";
}

std::string scalars_of(const json::Object& object) {
  std::string html;
  for (const auto& member : object)
    if (!is_nested(member.value()) && !is_empty(member.value()))
      html += "<dt>" + escaped(heading(member.key())) + "</dt><dd>" + scalar(member.value()) + "</dd>\n";
  return html.empty() ? html : "<dl>" + html + "</dl>\n";
}

std::string render(const json::Value& value) {
  if (const auto* list = value.if_array()) return list_of(*list);
  const auto* object = value.if_object();
  if (!object) return scalar(value);
  std::string html = scalars_of(*object);
  for (const auto& member : *object)
    if (is_nested(member.value()) && !is_empty(member.value()))
      html += "<h3>" + escaped(heading(member.key())) + "</h3>\n" + render(member.value());
  return html;
}

}  // namespace

std::string report_page(std::string_view heading_text, const json::Value& report,
                        const std::vector<std::string_view>& first) {
  const std::string title = escaped(heading_text);
  std::string html = std::string(kHead) + "<title>" + title + "</title></head>\n<body><main>\n<h1>" + title + "</h1>\n";
  const auto* object = report.if_object();
  if (!object) return html + "<section>" + render(report) + "</section></main></body></html>\n";
  if (const auto summary = scalars_of(*object); !summary.empty()) html += "<section>" + summary + "</section>\n";
  auto members = first;
  for (const auto& member : *object)
    if (std::ranges::find(members, std::string_view(member.key())) == members.end()) members.push_back(member.key());
  for (const auto& member : members)
    if (const auto* value = object->if_contains(member); value && is_nested(*value) && !is_empty(*value))
      html += "<section><h2>" + escaped(heading(member)) + "</h2>\n" + render(*value) + "</section>\n";
  return html + "</main></body></html>\n";
}

std::string report_html(std::string_view rollout_id, const json::Value& report) {
  const std::string name = json::text_or_empty(report, "Name");
  return report_page("Rollout " + (name.empty() ? "" : name + " ") + std::string(rollout_id), report,
                     {"Advice", "Suspects", "Failures", "Rings"});
}

}  // namespace belay::cli
