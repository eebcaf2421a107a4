// aws:softwareInventory: what only this machine can tell. Packages, services, addresses and hardware come to the server
// with scans and facts; here files are listed by name, and items are taken from the folder of custom inventory.
#include <set>

#include "agent/steps/parts.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/inventory/types.hpp"

namespace belay::agent {
namespace {

using inventory::FileQuestion;
using inventory::ReportedItem;

constexpr std::size_t kDepthMax = 32;

class Gatherer {
 public:
  Gatherer(const StepTools& tools, const StepContext& context) : tools_(tools), context_(context) {}

  Status files(std::string_view text, Instant now) {
    BELAY_TRY_ASSIGN(const auto questions, inventory::parse_file_questions(text));
    ReportedItem item{
        std::string(inventory::kFile), std::string(inventory::find_type(inventory::kFile)->version), now, {}};
    for (const auto& question : questions) {
      auto left = question.scan_limit;
      BELAY_TRY(walk(question, question.path, 0, left, item.content));
    }
    say(item.type_name + ": " + std::to_string(item.content.size()) + " files");
    return add(std::move(item));
  }

  Status custom(const std::string& folder, Instant now) {
    const auto names = tools_.files.list(folder);
    if (!names.ok() && names.error().code() == Code::not_found)
      return say(folder + " is not there: no custom inventory"), Status();
    if (!names.ok()) return names.error();
    for (const auto& name : *names) {
      const auto path = folder + "/" + name;
      const auto info = tools_.files.info(path);
      if (!name.ends_with(".json") || !info.ok() || info->kind != io::FileInfo::Kind::file) continue;
      BELAY_TRY_ASSIGN(const auto text, tools_.files.read(path, inventory::kCustomBytesMax));
      BELAY_TRY_ASSIGN(auto item, inventory::parse_custom_item(text, now).within(path));
      say(item.type_name + ": " + std::to_string(item.content.size()) + " entries");
      BELAY_TRY(add(std::move(item)).within(path));
    }
    return {};
  }

  void say(const std::string& line) { output_ += line + "\n"; }
  StepEnd end() {
    auto end = succeeded(std::move(output_));
    end.inventory = std::move(items_);
    return end;
  }

 private:
  Status add(ReportedItem item) {
    if (!types_.insert(item.type_name).second)
      return Error(Code::conflict, item.type_name + " is there twice; one file says all of a type");
    bytes_ += json::to_text(json::encode(item.content)).size();
    if (items_.size() >= inventory::kReportItemsMax || bytes_ > inventory::kReportBytesMax)
      return Error(Code::resource_exhausted, "the inventory is over " + std::to_string(inventory::kReportItemsMax) +
                                                 " types or " + std::to_string(inventory::kReportBytesMax) + " bytes");
    items_.push_back(std::move(item));
    return {};
  }

  // Links are not followed, so there is no circle and no way out of the folder.
  Status walk(const FileQuestion& question, const std::string& folder, std::size_t depth, std::size_t& left,
              inventory::Entries& found) {
    const auto names = tools_.files.list(folder);
    if (!names.ok()) return say("cannot be listed: " + sanitize(names.error().chain(), 300)), Status();
    for (const auto& name : *names) {
      if (context_.cancel && *context_.cancel) return Error(Code::cancelled, "stopped");
      if (left == 0 || found.size() >= inventory::kFilesMax)
        return say(sanitize(folder, 300) + ": not all was looked at (" +
                   (left == 0 ? "DirScanLimit" : std::to_string(inventory::kFilesMax) + " files") + ")"),
               Status();
      --left;
      const auto path = (folder == "/" ? "" : folder) + "/" + name;
      const auto info = tools_.files.info(path);
      if (!info.ok()) continue;  // gone meanwhile
      if (info->kind == io::FileInfo::Kind::directory) {
        if (question.recursive && depth < kDepthMax) BELAY_TRY(walk(question, path, depth + 1, left, found));
      } else if (info->kind == io::FileInfo::Kind::file && matches(question, name)) {
        found.push_back({{"Name", sanitize(name, 256)},
                         {"Size", std::to_string(info->bytes)},
                         {"InstalledDir", sanitize(folder, 1'024)},
                         {"ModificationTime", to_iso8601(info->modified)}});
      }
    }
    return {};
  }

  static bool matches(const FileQuestion& question, const std::string& name) {
    for (const auto& pattern : question.patterns)
      if (glob_match(pattern, name)) return true;
    return false;
  }

  const StepTools& tools_;
  const StepContext& context_;
  std::vector<ReportedItem> items_;
  std::set<std::string> types_;
  std::size_t bytes_ = 0;
  std::string output_;
};

bool wanted(const std::map<std::string, std::string>& gather, const std::string& what) {
  const auto found = gather.find(what);
  return found != gather.end() && equal_ignoring_case(found->second, "Enabled");
}

std::string text_of(const std::map<std::string, std::string>& gather, const std::string& what) {
  const auto found = gather.find(what);
  return found == gather.end() ? std::string() : std::string(trim(found->second));
}

}  // namespace

StepEnd gather_inventory(const StepTools& tools, const document::SoftwareInventory& work, const StepContext& context) {
  Gatherer gatherer(tools, context);
  Status done;
  if (const auto files = text_of(work.gather, "files"); !files.empty()) done = gatherer.files(files, context.now);
  if (done.ok() && wanted(work.gather, "customInventory")) {
    const auto folder = text_of(work.gather, "customInventoryDirectory");
    const auto where = folder.empty() ? Result<std::string>(context.custom_inventory) : from_directory(context, folder);
    done = where.ok() ? gatherer.custom(*where, context.now) : Status(where.error());
  }
  if (!done.ok()) return failed("the inventory cannot be gathered: " + done.error().chain() + "; nothing was reported");
  return gatherer.end();
}

}  // namespace belay::agent
