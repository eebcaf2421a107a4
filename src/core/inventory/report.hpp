#pragma once
// What a node gathers of itself (aws:softwareInventory), and by which bounds. What the server derives from scans and
// facts is no part of it: files by name, and what people lay down in the folder of custom inventory.
#include <boost/describe.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/inventory/query.hpp"

namespace belay::inventory {

// SSM's bounds; of custom types SSM has 20 a node.
inline constexpr std::size_t kItemBytesMax = 1'024u << 10, kCustomBytesMax = 200u << 10, kReportBytesMax = 1u << 20;
inline constexpr std::size_t kReportItemsMax = 21, kFileQuestionsMax = 10, kPatternsMax = 50;
inline constexpr std::size_t kFilesMax = 500, kScanLimitDefault = 5'000, kScanLimitMax = 100'000;

struct ReportedItem {
  std::string type_name, schema_version;
  Instant captured_at{};
  Entries content;
};
BOOST_DESCRIBE_STRUCT(ReportedItem, (), (type_name, schema_version, captured_at, content))

struct FileQuestion {
  std::string path;                   // an absolute folder
  std::vector<std::string> patterns;  // globs of a file's name
  bool recursive = false;
  std::size_t scan_limit = kScanLimitDefault;  // of names looked at
};
// [{"Path":"/etc","Pattern":["*.conf"],"Recursive":true,"DirScanLimit":5000}]. invalid_argument names the field.
Result<std::vector<FileQuestion>> parse_file_questions(std::string_view text);

// One file of custom inventory, as SSM's agents read them:
// {"SchemaVersion":"1.0","TypeName":"Custom:Rack","Content":{…} or [{…}]}; values are texts, numbers or true and false.
Result<ReportedItem> parse_custom_item(std::string_view text, Instant captured_at);

}  // namespace belay::inventory
