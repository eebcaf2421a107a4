#pragma once
// Takes in what all nodes say, in batches of one transaction each, on a thread of its own: a commit costs the same for
// one message or for many, so a storm of reports is absorbed at the price of a few. Messages of one node keep their
// order.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/engine/intake.hpp"
#include "server/gateway/session.hpp"

namespace belay::server {

struct IntakeCounters {
  std::atomic<std::uint64_t> taken{0}, refused{0}, batches{0}, clones{0}, hellos{0};
};

class IntakeThread {
 public:
  struct Parts {
    store::Store& store;
    const Clock& clock;
    Judge& judge;
    std::function<wire::Welcome(const Session&)> welcome;
    std::function<void(std::shared_ptr<Session>)> greeted;  // after hello is durable and welcome on its way
    std::function<void(std::shared_ptr<Session>)> settled;  // of a poll: all its messages were taken in
    std::function<void()> poke_engine;
    std::size_t bytes_max;
  };
  explicit IntakeThread(Parts parts);
  ~IntakeThread();  // stop()
  IntakeThread(const IntakeThread&) = delete;

  // False where too much waits: the caller closes the connection, the node comes again. From any thread.
  [[nodiscard]] bool submit(std::shared_ptr<Session> session, std::string text);
  // The messages of a poll, in one.
  [[nodiscard]] bool submit(std::shared_ptr<Session> session, std::vector<wire::Envelope> messages, std::size_t bytes);
  void stop();  // what was submitted is taken in first
  IntakeCounters counters;

 private:
  struct Item {
    std::shared_ptr<Session> session;
    std::string text;                      // of a link
    std::vector<wire::Envelope> messages;  // parsed; of a poll from the start
    std::size_t bytes = 0;
    bool is_poll = false;
  };
  struct Work {  // one message on its way
    std::shared_ptr<Session> session;
    wire::Envelope message;
    Taken taken;
    bool done = false;
  };

  bool push(Item item);
  void loop();
  void process(std::vector<Item> items);
  void parse(Item& item, std::vector<Work>& works);
  void commit(std::vector<Work>& works);
  Status take(store::Sql& sql, Work& work, Instant now);
  Status take_hello(store::Sql& sql, Work& work, Instant now);
  void answer(Work& work);
  void refuse(Session& session, const std::string& id, const Error& error);

  Parts parts_;
  Intake intake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;
  std::size_t queued_bytes_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace belay::server
