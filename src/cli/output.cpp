#include "cli/output.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kCellBytesMax = 2000;

// Columns a terminal gives the text: characters, not bytes.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string line_of(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    if (i + 1 < cells.size()) line += std::string(widths[i] - width(cells[i]) + 2, ' ');
  }
  return line + "\n";
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

bool is_time(std::string_view member, const json::Value& value) {
  return value.is_number() && (member.ends_with("Date") || member.ends_with("Time") || member == "At");
}

bool is_nested(const json::Value& value) {
  if (const auto* list = value.if_array())
    return std::ranges::any_of(*list, [](const auto& item) { return item.is_object() || item.is_array(); });
  return value.is_object();
}

void add_members(const json::Value& value, const std::string& path, Table& table) {
  if (const auto* list = value.if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) add_members((*list)[i], path + "[" + std::to_string(i) + "]", table);
    return;
  }
  if (!value.is_object()) {
    table.rows.push_back({path, value.is_string() ? std::string(value.get_string()) : json::to_text(value)});
    return;
  }
  for (const auto& member : value.get_object()) {
    const std::string inner = path.empty() ? std::string(member.key()) : path + "." + std::string(member.key());
    if (is_nested(member.value())) add_members(member.value(), inner, table);
    else
      table.rows.push_back(
          {inner, is_time(member.key(), member.value()) ? time_cell(&member.value()) : cell(value, member.key())});
  }
}

std::string one_line(const std::string& text) {
  std::string clean = sanitize(text, kCellBytesMax);
  std::ranges::replace(clean, '\n', ' ');
  std::ranges::replace(clean, '\t', ' ');
  return clean;
}

}  // namespace

std::string to_text_table(const Table& table) {
  Table clean = table;
  for (auto& row : clean.rows)
    for (auto& text : row) text = one_line(text);
  std::vector<std::size_t> widths;
  for (const auto& column : clean.columns) widths.push_back(width(column));
  for (const auto& row : clean.rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string text = line_of(clean.columns, widths);
  for (const auto& row : clean.rows) text += line_of(row, widths);
  return text;
}

std::string to_csv(const Table& table) {
  std::string text;
  const auto add = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) text += (i ? "," : "") + csv_cell(cells[i]);
    text += "\r\n";
  };
  add(table.columns);
  for (const auto& row : table.rows) add(row);
  return text;
}

void print(const Context& context, const Table& table, const json::Value& value, std::ostream& out) {
  switch (context.format) {
    case Format::table: out << to_text_table(table); return;
    case Format::csv: out << to_csv(table); return;
    case Format::json: out << json::to_pretty_text(value) << "\n"; return;
  }
}

Table to_record_table(const json::Value& value) {
  Table table{{"MEMBER", "VALUE"}, {}};
  add_members(value, "", table);
  return table;
}

void print_record(const Context& context, const json::Value& value, std::ostream& out) {
  print(context, to_record_table(value), value, out);
}

void say(const Context& context, const std::string& sentence, const json::Object& record, std::ostream& out) {
  if (context.format == Format::table) {
    out << sentence << "\n";
    return;
  }
  Table table{{}, {{}}};
  for (const auto& member : record) {
    table.columns.emplace_back(member.key());
    table.rows.front().push_back(cell(record, member.key()));
  }
  print(context, table, record, out);
}

std::string time_cell(const json::Value* value) {
  if (!value || value->is_null()) return "-";
  std::optional<Instant> at;
  if (value->is_number()) at = from_unix_ms(static_cast<std::int64_t>(value->to_number<double>() * 1000));
  else if (value->is_string()) {
    if (const auto parsed = parse_iso8601(std::string_view(value->get_string())); parsed.ok()) at = *parsed;
  }
  if (!at || to_unix_ms(*at) == 0) return "-";
  std::string text = to_iso8601(*at).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string cell(const json::Value& object, std::string_view member) {
  const auto* value = json::find(object, member);
  if (!value) return "-";
  if (value->is_string()) return value->get_string().empty() ? "-" : std::string(value->get_string());
  if (const auto* list = value->if_array()) {
    std::vector<std::string> parts;
    for (const auto& item : *list)
      parts.push_back(item.is_string() ? std::string(item.get_string()) : json::to_text(item));
    return parts.empty() ? "-" : join(parts, ", ");
  }
  return json::to_text(*value);
}

}  // namespace belay::cli
