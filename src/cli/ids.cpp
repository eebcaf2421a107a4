#include "cli/ids.hpp"

#include <array>

#include "base/ids.hpp"
#include "base/text.hpp"

namespace belay::cli {
namespace {

struct Row {
  IdKind kind;
  std::string_view name, prefix, looks_like, list;  // no prefix: a UUID
};
constexpr std::array kRows{
    Row{IdKind::baseline, "baseline", "pb", "pb- and 17 hexadecimal digits", "belay baseline list"},
    Row{IdKind::change_set, "change set", "cs", "cs- and 17 hexadecimal digits", "belay plan list"},
    Row{IdKind::command, "command", "", "36 hexadecimal digits and dashes", "belay command list"},
    Row{IdKind::activation, "activation", "", "36 hexadecimal digits and dashes", "belay activation list"},
    Row{IdKind::window, "maintenance window", "mw", "mw- and 17 hexadecimal digits", "belay window list"},
    Row{IdKind::automation, "automation", "", "36 hexadecimal digits and dashes", "belay automation list"},
    Row{IdKind::rollout, "rollout", "ro", "ro- and 17 hexadecimal digits", "belay rollout list"},
    Row{IdKind::quarantine, "quarantine", "qu", "qu- and 17 hexadecimal digits", "belay quarantine list"},
    Row{IdKind::point, "recovery point", "rp", "rp- and 17 hexadecimal digits", "belay backup points"},
    Row{IdKind::proof, "proof", "pr", "pr- and 17 hexadecimal digits", "belay backup proofs"},
    Row{IdKind::backup_job, "backup job", "bj", "bj- and 17 hexadecimal digits", "belay backup jobs"},
    Row{IdKind::exception, "exception", "ex", "ex- and 17 hexadecimal digits", "belay exception list"},
};

}  // namespace

Result<std::string> checked_id(IdKind kind, const std::string& word) {
  for (const auto& row : kRows) {
    if (row.kind != kind) continue;
    const bool is_arn = kind == IdKind::baseline && word.starts_with("arn:");
    if (is_arn || (row.prefix.empty() ? is_uuid(word) : is_id(row.prefix, word))) return word;
    return Error(Code::invalid_argument, "'" + sanitize(word, 100) + "' is no " + std::string(row.name) + " id (" +
                                             std::string(row.looks_like) + "); `" + std::string(row.list) +
                                             "` lists them");
  }
  return Error(Code::internal, "an id of no known kind");
}

}  // namespace belay::cli
