#pragma once
// Who names a document or a maintenance window, so that neither is deleted under whoever needs it. What was begun
// already has its own copy and is not looked at.
#include <string>
#include <string_view>
#include <vector>

#include "core/association/settings.hpp"
#include "store/store.hpp"

namespace belay::server {

// The first found, in words: "association 0a1b…", "task … of maintenance window mw-…", "document other". "" where
// nobody does. With a version: only who names that one outright.
Result<std::string> user_of_document(store::Sql& sql, std::string_view name, std::string_view version = {});
Result<std::string> user_of_window(store::Sql& sql, std::string_view window_id);

// Everybody who names the node outright, by its id or its name: window targets and tasks, associations, remedy
// policies. They lose it without a word when it leaves the fleet, so whoever takes it away is told.
Result<std::vector<std::string>> users_of_node(store::Sql& sql, std::string_view node_id, std::string_view name);

// The associations that run in the window, by settings.
struct InWindow {
  std::string association_id;
  association::Settings settings;
};
Result<std::vector<InWindow>> associations_in(store::Sql& sql, std::string_view window_id);

}  // namespace belay::server
