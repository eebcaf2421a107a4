#include "core/inventory/report.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/inventory/types.hpp"

namespace belay::inventory {
namespace {

constexpr std::size_t kQuestionsBytesMax = 16u << 10, kPathBytesMax = 4'096;

Error refused(std::string what) { return Error(Code::invalid_argument, std::move(what)); }

Result<FileQuestion> file_question(const json::Value& value, const std::string& at) {
  const auto* object = value.if_object();
  if (!object) return refused(at + " is no object");
  FileQuestion question;
  for (const auto& member : *object) {
    const std::string_view name = member.key();
    const auto& field = member.value();
    if (equal_ignoring_case(name, "Path") && field.is_string()) {
      question.path = field.get_string().c_str();
    } else if (equal_ignoring_case(name, "Pattern") && field.is_array()) {
      for (const auto& pattern : field.get_array()) {
        if (!pattern.is_string()) return refused(at + ".Pattern holds what is no text");
        question.patterns.emplace_back(pattern.get_string());
      }
    } else if (equal_ignoring_case(name, "Recursive") && field.is_bool()) {
      question.recursive = field.get_bool();
    } else if (equal_ignoring_case(name, "DirScanLimit") && field.is_int64() && field.get_int64() > 0 &&
               field.get_int64() <= static_cast<std::int64_t>(kScanLimitMax)) {
      question.scan_limit = static_cast<std::size_t>(field.get_int64());
    } else {
      return refused(at + "." + sanitize(name, 60) + " is not known, or not what it must be");
    }
  }
  if (!question.path.starts_with('/') || question.path.size() > kPathBytesMax)
    return refused(at + ".Path is no absolute path");
  if (question.patterns.empty() || question.patterns.size() > kPatternsMax)
    return refused(at + ".Pattern must hold 1 to " + std::to_string(kPatternsMax) + " patterns");
  return question;
}

Result<Entry> entry_of(const json::Value& value) {
  const auto* object = value.if_object();
  if (!object) return refused("Content holds what is no object");
  Entry entry;
  for (const auto& member : *object) {
    const auto& field = member.value();
    if (field.is_object() || field.is_array())
      return refused("Content." + sanitize(member.key(), 60) + " is no text, number or truth value");
    if (field.is_null()) continue;
    entry.emplace(member.key(), field.is_string() ? std::string(field.get_string()) : json::to_text(field));
  }
  return entry;
}

}  // namespace

Result<std::vector<FileQuestion>> parse_file_questions(std::string_view text) {
  BELAY_TRY_ASSIGN(const auto value,
                   json::parse(text, {.bytes_max = kQuestionsBytesMax, .depth_max = 8}).within("files"));
  const auto* list = value.if_array();
  if (!list || list->size() > kFileQuestionsMax)
    return refused("files is no list of at most " + std::to_string(kFileQuestionsMax) + " folders");
  std::vector<FileQuestion> questions;
  for (std::size_t i = 0; i < list->size(); ++i) {
    BELAY_TRY_ASSIGN(auto question, file_question((*list)[i], "files[" + std::to_string(i) + "]"));
    questions.push_back(std::move(question));
  }
  return questions;
}

Result<ReportedItem> parse_custom_item(std::string_view text, Instant captured_at) {
  BELAY_TRY_ASSIGN(const auto value, json::parse(text, {.bytes_max = kCustomBytesMax, .depth_max = 8}));
  ReportedItem item;
  item.captured_at = captured_at;
  item.type_name = json::text_or_empty(value, "TypeName");
  item.schema_version = json::text_or_empty(value, "SchemaVersion");
  if (!is_custom(item.type_name)) return refused("TypeName must begin with Custom:");
  if (item.schema_version.empty()) return refused("SchemaVersion is missing");
  const auto* content = json::find(value, "Content");
  if (!content) return refused("Content is missing");
  if (const auto* list = content->if_array()) {
    for (const auto& part : *list) {
      BELAY_TRY_ASSIGN(auto entry, entry_of(part));
      item.content.push_back(std::move(entry));
    }
    return item;
  }
  BELAY_TRY_ASSIGN(auto entry, entry_of(*content));
  item.content.push_back(std::move(entry));
  return item;
}

}  // namespace belay::inventory
