#pragma once
// The store with a kill: the n-th write from now ends the program, before or after it became durable. Or it is only
// undone, once all its work was done.
#include "store/store.hpp"
#include "tests/fakes/killed.hpp"

namespace belay::fakes {

class MortalStore final : public store::Store {
 public:
  explicit MortalStore(store::Store& inner) : inner_(inner) {}
  Status check() override { return inner_.check(); }
  Result<std::uint64_t> bytes() override { return inner_.bytes(); }
  std::string describe() const override { return inner_.describe(); }
  void kill_at(int write, bool after_commit) { countdown_ = write, after_ = after_commit; }
  void undo_at(int write) { undo_countdown_ = write; }
  bool armed() const { return countdown_ > 0; }
  void disarm() { countdown_ = undo_countdown_ = 0; }

 protected:
  Status run_write(const Work& work) override {
    const bool last = countdown_ > 0 && --countdown_ == 0;
    if (last && !after_) throw Killed{"before a commit"};
    if (undo_countdown_ > 0 && --undo_countdown_ == 0)
      return inner_.write([&](store::Sql& sql) -> Status {
        BELAY_TRY(work(sql));
        return Error(Code::unavailable, "undone");
      });
    const Status status = inner_.write([&](store::Sql& sql) { return work(sql); });
    if (last) throw Killed{"after a commit"};
    return status;
  }
  Status run_read(const Work& work) override {
    return inner_.read([&](store::Sql& sql) { return work(sql); });
  }

 private:
  store::Store& inner_;
  int countdown_ = 0, undo_countdown_ = 0;
  bool after_ = false;
};

}  // namespace belay::fakes
