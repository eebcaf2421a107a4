#include "server/engine/uses.hpp"

#include <algorithm>
#include <functional>

#include "base/json.hpp"
#include "core/automation/runbook.hpp"
#include "core/document/expand.hpp"
#include "core/remedy/remedy.hpp"
#include "server/engine/associations.hpp"
#include "server/engine/documents.hpp"
#include "server/engine/windows.hpp"
#include "store/documents.hpp"
#include "store/remedies.hpp"
#include "store/windows.hpp"

namespace belay::server {
namespace {
using store::Sql;

// Whoever names the document, and the version they ask for.
struct Wanted {
  std::string_view name, version;
  bool is(std::string_view named, std::string_view version_named) const {
    return document_name_of(named) == name && (version.empty() || version == version_named);
  }
  bool is_among(const std::vector<std::string>& names) const {
    return version.empty() &&
           std::ranges::any_of(names, [&](const auto& each) { return document_name_of(each) == name; });
  }
  // AWS-RunPatchBaselineWithHooks takes the documents of its hooks as values.
  bool is_hook_of(const std::map<std::string, std::vector<std::string>>& parameters) const {
    return std::ranges::any_of(
        parameters, [&](const auto& each) { return each.first.ends_with("HookDocName") && is_among(each.second); });
  }
};

// Stops at the first that says something.
Result<std::string> first_association(
    Sql& sql, const std::function<bool(const store::associations::Association&, const association::Settings&)>& uses) {
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto listed, store::associations::list(sql, {}, page));
    for (const auto& row : listed.items) {
      BELAY_TRY_ASSIGN(const auto settings, settings_of(row.content));
      if (uses(row, settings)) return "association " + row.association_id;
    }
    page.after = listed.next;
  } while (!page.after.empty());
  return std::string();
}

Result<std::string> first_policy(Sql& sql, const std::function<bool(const remedy::Policy&)>& uses) {
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto listed, store::remedies::list_policies(sql, page));
    for (const auto& row : listed.items) {
      BELAY_TRY_ASSIGN(const auto policy,
                       json::decode_text<remedy::Policy>(row.content).within("remedy policy " + row.name));
      if (uses(policy)) return "remedy policy " + row.name;
    }
    page.after = listed.next;
  } while (!page.after.empty());
  return std::string();
}

Result<std::string> first_window(Sql& sql, const Wanted& wanted) {
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto tasks, store::windows::tasks_that_mention(sql, wanted.name, page));
    for (const auto& row : tasks.items) {
      BELAY_TRY_ASSIGN(const auto task, json::decode_text<WindowTask>(row.content));
      if (wanted.is(row.task_arn, task.document_version) || wanted.is_hook_of(task.parameters))
        return "task " + row.window_task_id + " of maintenance window " + row.window_id;
    }
    page.after = tasks.next;
  } while (!page.after.empty());
  do {
    BELAY_TRY_ASSIGN(const auto windows, store::windows::list(sql, {.with_calendars = true}, page));
    for (const auto& window : windows.items)
      if (wanted.is_among(window.calendars)) return "maintenance window " + window.window_id;
    page.after = windows.next;
  } while (!page.after.empty());
  return std::string();
}

// What a version that is run names outright; of a text that cannot be read, nothing.
std::vector<std::string> named_in(const std::string& type, const store::documents::Version& version) {
  const auto format = version.format == "JSON" ? document::Format::JSON : document::Format::YAML;
  if (type == "Automation") {
    const auto runbook = automation::parse_runbook(version.content, format);
    return runbook.ok() ? automation::documents_named(*runbook) : std::vector<std::string>();
  }
  if (type != "Command") return {};
  const auto command = document::parse_command_document(version.content, format);
  return command.ok() ? document::documents_named(*command) : std::vector<std::string>();
}

Result<std::string> first_document(Sql& sql, const Wanted& wanted) {
  BELAY_TRY_ASSIGN(const auto mentions, store::documents::that_mention(sql, wanted.name));
  for (const auto& mention : mentions) {
    BELAY_TRY_ASSIGN(const auto version, store::documents::get_version(sql, mention.name, mention.version));
    if (wanted.is_among(named_in(mention.document_type, version)))
      return "document " + mention.name + " (version " + std::to_string(mention.version) + ")";
  }
  return std::string();
}

}  // namespace

Result<std::string> user_of_document(Sql& sql, std::string_view name, std::string_view version) {
  const Wanted wanted{name, version};
  BELAY_TRY_ASSIGN(auto found, first_association(sql, [&](const auto&, const association::Settings& settings) {
                     return wanted.is(settings.document, settings.document_version) ||
                            wanted.is_among(settings.calendars) || wanted.is_hook_of(settings.parameters);
                   }));
  if (!found.empty()) return found;
  BELAY_TRY_ASSIGN(found, first_window(sql, wanted));
  if (!found.empty()) return found;
  BELAY_TRY_ASSIGN(found, first_policy(sql, [&](const remedy::Policy& policy) {
                     return wanted.is(policy.document_name, "") || wanted.is_hook_of(policy.parameters);
                   }));
  if (!found.empty()) return found;
  return first_document(sql, wanted);
}

Result<std::string> user_of_window(Sql& sql, std::string_view window_id) {
  BELAY_TRY_ASSIGN(auto found, first_association(sql, [&](const auto&, const association::Settings& settings) {
                     return settings.window_id == window_id;
                   }));
  if (!found.empty()) return found;
  return first_policy(sql, [&](const remedy::Policy& policy) { return policy.window_id == window_id; });
}

Result<std::vector<std::string>> users_of_node(Sql& sql, std::string_view node_id, std::string_view name) {
  const auto names_it = [&](const auto& targets) {
    return std::ranges::any_of(targets, [&](const auto& target) {
      const bool outright = target.key == "InstanceIds" || target.key == "instanceids" || target.key == "Name";
      return outright && std::ranges::any_of(target.values, [&](const std::string& value) {
               return value == node_id || (value == name && !name.empty());
             });
    });
  };
  std::vector<std::string> users;
  BELAY_TRY(first_association(sql, [&](const auto& row, const association::Settings& settings) {
    if (names_it(settings.targets)) users.push_back("association " + row.association_id);
    return false;
  }));
  BELAY_TRY(first_policy(sql, [&](const remedy::Policy& policy) {
    if (names_it(policy.targets)) users.push_back("remedy policy " + policy.name);
    return false;
  }));
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto windows, store::windows::list(sql, {}, page));
    for (const auto& window : windows.items) {
      const std::string where = " of maintenance window " + window.window_id;
      BELAY_TRY_ASSIGN(const auto targets, store::windows::targets_of(sql, window.window_id));
      for (const auto& row : targets) {
        BELAY_TRY_ASSIGN(const auto of_it, targets_of_text(row.targets));
        if (names_it(of_it)) users.push_back("target " + row.window_target_id + where);
      }
      BELAY_TRY_ASSIGN(const auto tasks, store::windows::tasks_of(sql, window.window_id));
      for (const auto& row : tasks) {
        BELAY_TRY_ASSIGN(const auto task, json::decode_text<WindowTask>(row.content));
        if (names_it(task.targets)) users.push_back("task " + row.window_task_id + where);
      }
    }
    page.after = windows.next;
  } while (!page.after.empty());
  return users;
}

Result<std::vector<InWindow>> associations_in(Sql& sql, std::string_view window_id) {
  std::vector<InWindow> inside;
  BELAY_TRY(first_association(sql, [&](const auto& row, const association::Settings& settings) {
    if (settings.window_id == window_id) inside.push_back({row.association_id, settings});
    return false;
  }));
  return inside;
}

}  // namespace belay::server
