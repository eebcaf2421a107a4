#pragma once
// Deleting a custom inventory type's items: an execution of its own ("inventory-deletion"), some hundred items a step.
// Items reported after the request stay.
#include <memory>

#include "server/engine/engine.hpp"
#include "store/inventory.hpp"

namespace belay::server {

inline constexpr std::string_view kInventoryDeletionKind = "inventory-deletion";

// Keeps the deletion and starts its execution. Call in the transaction of the request.
Status start_inventory_deletion(store::Sql& sql, const store::inventory::Deletion& deletion);
std::unique_ptr<ExecutionKind> make_inventory_deletion_kind();

}  // namespace belay::server
