#include "server/engine/inventory_deletion.hpp"

namespace belay::server {
namespace {

constexpr std::uint32_t kItemsAtOnce = 500;

class InventoryDeletionKind : public ExecutionKind {
 public:
  std::string_view name() const override { return kInventoryDeletionKind; }
  Result<Advance> advance(store::Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>&, Instant now) override {
    BELAY_TRY_ASSIGN(auto deletion, store::inventory::get_deletion(sql, execution.execution_id));
    BELAY_TRY_ASSIGN(const auto removed,
                     store::inventory::remove_items(sql, deletion.type_name, deletion.started_at, kItemsAtOnce));
    deletion.remaining_count = std::max<std::int64_t>(0, deletion.remaining_count - removed);
    deletion.updated_at = now;
    Advance advance{execution.state, now, removed < kItemsAtOnce};
    if (advance.finished) {
      deletion.status = "Complete";
      deletion.remaining_count = 0;
      deletion.message = "every item that was there is deleted";
      advance.wake_at.reset();
    }
    BELAY_TRY(store::inventory::update_deletion(sql, deletion));
    return advance;
  }
};

}  // namespace

Status start_inventory_deletion(store::Sql& sql, const store::inventory::Deletion& deletion) {
  BELAY_TRY(store::inventory::add_deletion(sql, deletion));
  store::executions::Execution execution;
  execution.execution_id = deletion.deletion_id;
  execution.kind = kInventoryDeletionKind;
  execution.wake_at = execution.created_at = execution.updated_at = deletion.started_at;
  return store::executions::create(sql, execution);
}

std::unique_ptr<ExecutionKind> make_inventory_deletion_kind() { return std::make_unique<InventoryDeletionKind>(); }

}  // namespace belay::server
