#pragma once
// What a node keeps of its associations, so that it runs them when it is cut off: the set that the server signed, which
// of their runs were taken up, and since when the server is out of reach. docs/machines/association.md draws it.
//
// On disk before anything comes of it: a set before it is acknowledged, a run's order before the run is noted as taken
// up. A run's order id follows from the run (wire::own_run_name), so a run that is noted late is still begun once.
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/runner/order_verifier.hpp"
#include "agent/runner/state_paths.hpp"
#include "core/association/offline.hpp"
#include "io/files.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

struct OwnRunsState {
  std::uint32_t format = 1;
  std::optional<Instant> cut_off_since;
  std::vector<wire::AssociationDue> taken_up;  // the newest of each association
};
BOOST_DESCRIBE_STRUCT(OwnRunsState, (), (format, cut_off_since, taken_up))

class OwnRuns {
 public:
  OwnRuns(io::Files& files, StatePaths paths, const OrderVerifier& verifier)
      : files_(files), paths_(std::move(paths)), verifier_(verifier) {
    load();
  }

  // Of an order that the verifier has opened and checked. Durable when it returns.
  Status keep(const wire::SignedOrder& sent, const wire::Order& order);
  // Whether the set that is kept came with this order.
  bool came_with(const std::string& order_id) const { return set_ && set_->order_id == order_id; }
  std::string hash() const { return set_ ? set_->associations->hash : ""; }
  const wire::OfflineAssociation* find(const std::string& association_id) const;
  const std::vector<wire::OfflineAssociation>& kept() const;

  // The server is out of reach; where it was already, the first time counts. Or it answers.
  Status cut_off(Instant now);
  Status reached();
  bool is_cut_off() const { return state_.cut_off_since.has_value(); }

  // A run was taken up: its order is in the book. What is older than the newest is not kept.
  Status note(const wire::AssociationDue& due);
  std::vector<wire::AssociationDue> taken_up() const;

  // What is to be run now, and when to ask again. Nothing while the server answers.
  struct Look {
    std::vector<wire::AssociationDue> due;
    std::optional<Instant> again;
  };
  Look look(Instant now) const;

  // The order of such a run, as the node gives it to itself.
  std::string order_id(const wire::AssociationDue& due) const;
  wire::Order order_of(const wire::OfflineAssociation& association, const wire::AssociationDue& due, Instant now) const;

 private:
  void load();
  Status save(OwnRunsState state);

  io::Files& files_;
  const StatePaths paths_;
  const OrderVerifier& verifier_;
  std::optional<wire::Order> set_;
  OwnRunsState state_;
};

}  // namespace belay::agent
