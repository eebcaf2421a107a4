#include <boost/describe/enum_to_string.hpp>

#include "core/backup/job.hpp"
#include "core/backup/plan.hpp"

namespace belay::backup {

std::string_view text_of(EngineName engine) {
  return engine == EngineName::mariadb_backup ? "mariadb-backup"
                                              : std::string_view(boost::describe::enum_to_string(engine, ""));
}

std::string repository_name(std::string_view plan_id, std::string_view node_id) {
  return std::string(plan_id) + "/" + std::string(node_id);
}

std::optional<ProofLevel> level_reached(const std::vector<Evidence>& evidence) {
  std::optional<ProofLevel> reached;
  for (int rung = 0; rung <= static_cast<int>(ProofLevel::P5); ++rung) {
    const auto level = static_cast<ProofLevel>(rung);
    bool any = false, all = true;
    for (const auto& item : evidence)
      if (item.level == level) any = true, all = all && item.passed;
    if (!any || !all) break;
    reached = level;
  }
  return reached;
}

bool speaks_against(const std::vector<Evidence>& evidence) {
  for (const auto& item : evidence)
    if (item.looked_at && !item.passed) return true;
  return false;
}

bool could_not_be_done(const JobReport& report) {
  if (report.outcome == JobOutcome::ok || speaks_against(report.evidence)) return false;
  for (const auto& item : report.evidence)
    if (!item.looked_at) return true;
  return report.evidence.empty();
}

}  // namespace belay::backup
