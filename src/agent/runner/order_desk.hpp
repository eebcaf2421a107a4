#pragma once
// Takes orders in, has them worked on, and puts what came of them into the outbox. Lives on the agent's loop; starting
// processes is left to `run_blocking`.
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "agent/runner/launcher.hpp"
#include "agent/runner/order_book.hpp"
#include "agent/runner/order_verifier.hpp"
#include "agent/runner/outbox.hpp"
#include "agent/runner/own_runs.hpp"
#include "base/time.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

inline constexpr std::size_t kStepsOrdersAtOnce = 4;   // beside the one scan, plan or patch
inline constexpr std::size_t kBackupOrdersAtOnce = 2;  // likewise
inline constexpr int kLaunchesMax = 12;  // a patch run that goes through reboots and crashes needs several

// The same for every repetition, so that the server takes a repeated message for what it is.
std::string message_id(std::string_view what, const std::string& order_id);

struct DeskParts {
  io::Files& files;
  const Clock& clock;
  StatePaths paths;
  OrderVerifier& verifier;
  Outbox& outbox;
  Launcher& launcher;
  // Runs `work` where it may block, then `done` on the loop.
  std::function<void(std::function<void()> work, std::function<void()> done)> run_blocking;
  // Tells the server now or never.
  std::function<void(const wire::OrderUpdate&)> tell;
  // Something was put into the outbox.
  std::function<void()> outbox_filled;
};

class OrderDesk {
 public:
  explicit OrderDesk(DeskParts parts);

  // Whether the message may be acknowledged: the order is durable, was known, or its refusal is in the outbox. An error
  // is answered with `refused`: it cannot be believed to come from the server, or cannot be kept now.
  Status receive(const wire::SignedOrder& sent, Duration clock_skew);
  Status cancel(const std::string& order_id);
  // A scan of the agent's own. Nothing where one is under way.
  Status scan_self(bool refresh);

  // Takes up what was laid into the order book beside it: a rollback by hand.
  void adopt();

  // Begins the runs of associations that are due while the server is out of reach. Returns when to ask again.
  std::optional<Instant> run_own();
  // The associations that the node keeps; what they are told, they keep on disk.
  OwnRuns& own_runs() { return own_runs_; }

  // Goes on with everything that is open. Returns when it wants to be called again; nothing: when an order comes.
  std::optional<Duration> tick();
  bool is_idle() const { return open_.empty(); }
  // Of the server's clock minus ours, as last seen: a scan under a wrong clock says so.
  void set_clock_skew(Duration skew) { clock_skew_ = skew; }
  // Of the newest scan that was collected; "" before the first.
  std::string package_set_hash() const;
  std::optional<Instant> scanned_at() const;

 private:
  struct Work {
    AcceptedOrder accepted;
    enum class Phase { queued, launching, running } phase = Phase::queued;
    int launches = 0;
    Duration launched_at{};
    Duration not_before{};
    Instant journal_seen{};
    std::string step{};  // as it was told last; output comes from it
    wire::OrderState state = wire::OrderState::running;
    std::uint64_t output_seen = 0;
    Duration output_told_at{};
    std::uint64_t sequence = 0;
    std::map<std::string, std::string, std::less<>> said{};  // by event: what does not work, as it was logged last
  };

  Status refuse(const wire::Order& order, const Error& why);
  // ---- associations (own_orders.cpp)
  Status keep_associations(const wire::SignedOrder& sent, const wire::Order& order);
  Status begin_own(const wire::OfflineAssociation& association, const wire::AssociationDue& due);
  void stop_withdrawn();
  void keep_duration(const Work& work);
  void say_once(Work& work, std::string_view event, const Status& status);
  Status take_refresh(const Work& work);
  Status refresh(const Work& work, const std::vector<std::string>& wanted, std::string_view text);
  void launch(Work& work);
  void watch(Work& work);
  void give_up(Work& work);
  bool collect(Work& work);
  Status collect_report(const Work& work);
  Status collect_result(const Work& work);
  Status collect_own_run(const Work& work);
  void tell_progress(Work& work);
  void tell_output(Work& work);
  wire::OrderUpdate update_of(Work& work, wire::OrderState state, std::string step, std::string detail);
  bool has_begun(const Work& work) const;
  bool may_start(const Work& work) const;

  DeskParts parts_;
  OrderBook book_;
  OwnRuns own_runs_;
  std::map<std::string, Work> open_;  // by order id
  Duration clock_skew_{};
};

}  // namespace belay::agent
