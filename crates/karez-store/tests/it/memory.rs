//! The suite over memory.

use karez_store::{Store, StoreLocation};

#[tokio::test]
async fn memory_conforms() {
    let store = Store::open(StoreLocation::Memory, 1 << 20).await.unwrap();
    crate::conformance::all(&store).await;
}
