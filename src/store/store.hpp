#pragma once
// The store: everything that matters is here, nowhere else. Made by sqlite/sqlite_store.hpp or
// postgres/postgres_store.hpp; the areas beside this header say in domain words what is kept:
//
//   BELAY_TRY_ASSIGN(auto node, store.read([&](Sql& sql) { return nodes::get(sql, node_id); }));
//   BELAY_TRY(store.write([&](Sql& sql) -> Status {
//     BELAY_TRY(tags::set(sql, tags::kManagedInstance, node_id, wanted));
//     return audit::append(sql, {.at = now, .actor = who, .action = "ssm:AddTagsToResource", .resource = node_id});
//   }));
//
// A transaction is whole or nothing, serializable, and durable once write() has returned ok: neither a killed process
// nor a power cut takes it back. Safe from any thread; calls block (a few ms), so an event loop hands them to a pool.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "store/sql.hpp"

namespace belay::store {

class Store {
 public:
  virtual ~Store() = default;

  // `work` takes Sql& and returns Status or Result<T>; where it returns an error, nothing is kept. It may be called
  // again (another server's change got in between), so it must do nothing but through its Sql and must not call the
  // store. unavailable where the attempts (bounded) were used up or the database is away.
  template <typename Work>
  std::invoke_result_t<Work&, Sql&> write(Work&& work) {
    return run<std::invoke_result_t<Work&, Sql&>>(work, true);
  }
  // The same over one unchanging view of the data; a change made inside is an error. Never waits for writers.
  template <typename Work>
  std::invoke_result_t<Work&, Sql&> read(Work&& work) {
    return run<std::invoke_result_t<Work&, Sql&>>(work, false);
  }

  // Answers when a small read and (where the store is not read-only) the newest schema are there; for /healthz.
  virtual Status check() = 0;
  // "SQLite /var/lib/belay/belay.db" or "PostgreSQL host/database", never with a password.
  virtual std::string describe() const = 0;
  // What it takes on disk.
  virtual Result<std::uint64_t> bytes() = 0;

  struct Counters {
    std::atomic<std::uint64_t> reads{0}, writes{0}, failed{0};  // transactions; those whose work said no are failed
    std::atomic<std::uint64_t> retries{0};                      // tried again: busy, or another's change in between
  };
  const Counters& counters() const { return counters_; }

 protected:
  using Work = std::function<Status(Sql&)>;
  virtual Status run_write(const Work& work) = 0;
  virtual Status run_read(const Work& work) = 0;
  Counters counters_;

 private:
  template <typename Answer, typename Call>
  Answer run(Call& call, bool writes) {
    std::optional<Answer> answer;
    const Work work = [&](Sql& sql) -> Status {
      answer.emplace(call(sql));
      if (!answer->ok()) return answer->error();
      return {};
    };
    const Status status = writes ? run_write(work) : run_read(work);
    ++(writes ? counters_.writes : counters_.reads);
    if (!status.ok()) ++counters_.failed;
    if (!status.ok()) return status.error();
    return std::move(*answer);
  }
};

// ---- paging: by key, so that a page costs the same wherever it lies and nothing is seen twice or missed
inline constexpr std::uint32_t kPageLimitMax = 1'000;
struct Page {
  std::uint32_t limit = 50;  // 1 … kPageLimitMax; more is cut down
  std::string after{};       // the `next` of the page before, as it was given; "" for the first
};
template <typename T>
struct Listed {
  std::vector<T> items{};
  std::string next{};  // "" where nothing follows
};

}  // namespace belay::store
