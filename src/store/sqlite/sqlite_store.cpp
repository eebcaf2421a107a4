#include "store/sqlite/sqlite_store.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "store/detail.hpp"
#include "store/schema/migrations.hpp"
#include "store/sqlite/connection.hpp"

namespace belay::store::sqlite {
namespace {

constexpr std::size_t kBatchMax = 64;        // transactions that share one commit
constexpr std::size_t kWaitingMax = 10'000;  // writers in the queue
constexpr int kBusyAttemptsMax = 3;
constexpr std::chrono::seconds kReaderWait{10};

class SqliteStore final : public Store {
 public:
  SqliteStore(std::string path, Seams seams) : path_(std::move(path)), seams_(std::move(seams)) {}

  Status open(const Options& options) {
    BELAY_TRY_ASSIGN(writer_, Connection::open(path_, true));
    BELAY_TRY(check_owner());
    BELAY_TRY(run_write([](Sql& sql) -> Status {
      BELAY_TRY(schema::migrate(sql, {"INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"}));
      return {};
    }));
    for (std::size_t i = 0; i < std::max<std::size_t>(options.readers, 1); ++i) {
      BELAY_TRY_ASSIGN(auto reader, Connection::open(path_, false));
      readers_.push_back(std::move(reader));
    }
    return {};
  }

  Status check() override {
    return run_read([](Sql& sql) { return schema::verify(sql); });
  }
  std::string describe() const override { return "SQLite " + path_; }
  Result<std::uint64_t> bytes() override {
    return read([](Sql& sql) -> Result<std::uint64_t> {
      BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT page_count * page_size FROM pragma_page_count(), "
                                                     "pragma_page_size()",
                                                     {}));
      return row ? static_cast<std::uint64_t>(row->integer(0)) : 0;
    });
  }

 protected:
  Status run_write(const Work& work) override;
  Status run_read(const Work& work) override;

 private:
  struct Waiting {
    const Work* work = nullptr;
    std::optional<Status> outcome;
  };
  // One outcome for each, in order; those that are ok are on disk.
  std::vector<Status> commit_batch(const std::vector<const Work*>& batch);
  Status begin();
  Status check_owner();
  Status run_one(const Work& work, bool alone);
  Result<std::unique_ptr<Connection>> take_reader();

  const std::string path_;
  const Seams seams_;

  std::mutex write_mutex_;  // guards the queue and who leads; the writer connection belongs to the leader
  std::condition_variable write_turn_;
  std::deque<Waiting*> queue_;
  bool led_ = false;
  std::unique_ptr<Connection> writer_;

  std::mutex read_mutex_;
  std::condition_variable reader_back_;
  std::vector<std::unique_ptr<Connection>> readers_;
};

// Somebody else's database is left as it is.
Status SqliteStore::check_owner() {
  BELAY_TRY_ASSIGN(const auto rows, writer_->query("SELECT (SELECT COUNT(*) FROM sqlite_master), "
                                                   "(SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_steps')",
                                                   {}));
  if (rows.front().integer(0) == 0 || rows.front().integer(1) == 1) return {};
  return Error(Code::corrupt, path_ + " is a database of another program; name another file");
}

// Writers that wait for each other share one commit, thus one fsync: the first of them leads, runs the others'
// functions in savepoints of the same transaction, and nobody is acknowledged before that transaction is on disk.
Status SqliteStore::run_write(const Work& work) {
  Waiting mine{&work, std::nullopt};
  std::unique_lock lock(write_mutex_);
  if (queue_.size() >= kWaitingMax)
    return Error(Code::unavailable, "the store has too many writers waiting; try again", "store-busy");
  queue_.push_back(&mine);
  write_turn_.wait(lock, [&] { return mine.outcome || !led_; });
  if (mine.outcome) return *mine.outcome;
  led_ = true;
  while (!mine.outcome) {
    const std::vector<Waiting*> batch(queue_.begin(),
                                      queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kBatchMax)));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(batch.size()));
    std::vector<const Work*> works;
    for (const auto* waiting : batch) works.push_back(waiting->work);
    lock.unlock();
    std::vector<Status> outcomes = commit_batch(works);
    lock.lock();
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->outcome = std::move(outcomes[i]);
    if (!mine.outcome) write_turn_.notify_all();
  }
  led_ = false;
  lock.unlock();
  write_turn_.notify_all();
  return *mine.outcome;
}

Status SqliteStore::begin() {
  Status begun;
  for (int attempt = 0; attempt < kBusyAttemptsMax; ++attempt) {
    if (attempt > 0) ++counters_.retries;
    begun = writer_->run("BEGIN IMMEDIATE");
    if (begun.ok() || begun.error().code() != Code::unavailable) return begun;
  }
  return begun;
}

Status SqliteStore::run_one(const Work& work, bool alone) {
  SqliteSql sql(*writer_, seams_);
  if (alone) return detail::fenced(work, sql);
  BELAY_TRY(writer_->run("SAVEPOINT one"));
  Status status = detail::fenced(work, sql);
  if (!writer_->in_transaction()) return status;
  if (!status.ok()) BELAY_TRY(writer_->run("ROLLBACK TO one"));
  BELAY_TRY(writer_->run("RELEASE one"));
  return status;
}

std::vector<Status> SqliteStore::commit_batch(const std::vector<const Work*>& batch) {
  std::vector<Status> outcomes(batch.size());
  Status whole = begin();
  for (std::size_t i = 0; i < batch.size() && whole.ok(); ++i) {
    outcomes[i] = run_one(*batch[i], batch.size() == 1);
    // Some errors (a full disk) make SQLite roll back everything, the savepoints of others too.
    if (!writer_->in_transaction())
      whole = Error(Code::resource_exhausted, "SQLite gave up the transaction; is the disk full?", "store-gave-up");
  }
  const bool anything = std::ranges::any_of(outcomes, [](const Status& outcome) { return outcome.ok(); });
  if (whole.ok() && anything) whole = writer_->run("COMMIT");
  if (writer_->in_transaction())
    if (const Status undone = writer_->run("ROLLBACK"); !undone.ok() && whole.ok() && anything) whole = undone;
  if (!whole.ok())
    for (auto& outcome : outcomes)
      if (outcome.ok()) outcome = whole;
  return outcomes;
}

Result<std::unique_ptr<Connection>> SqliteStore::take_reader() {
  std::unique_lock lock(read_mutex_);
  if (!reader_back_.wait_for(lock, kReaderWait, [&] { return !readers_.empty(); }))
    return Error(Code::unavailable, "every reader of the store is busy; try again", "store-busy");
  auto reader = std::move(readers_.back());
  readers_.pop_back();
  return reader;
}

Status SqliteStore::run_read(const Work& work) {
  BELAY_TRY_ASSIGN(auto reader, take_reader());
  Status status = reader->run("BEGIN");
  if (status.ok()) {
    SqliteSql sql(*reader, seams_);
    status = detail::fenced(work, sql);
  }
  if (reader->in_transaction())
    if (const Status ended = reader->run("ROLLBACK"); status.ok()) status = ended;
  {
    const std::lock_guard lock(read_mutex_);
    readers_.push_back(std::move(reader));
  }
  reader_back_.notify_one();
  return status;
}

}  // namespace

Result<std::unique_ptr<Store>> open(const std::string& path, Seams seams, Options options) {
  auto store = std::make_unique<SqliteStore>(path, std::move(seams));
  BELAY_TRY(store->open(options).within("cannot open the store " + path));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace belay::store::sqlite
