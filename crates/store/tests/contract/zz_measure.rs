use crate::fixtures::{TestStore, execution, tenant};
use tidegate_core::ports::Executions;
use tidegate_store::BufferedExecutions;
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
#[tokio::test]
async fn measure() {
    let test = TestStore::open().await;
    let history = BufferedExecutions::new(std::sync::Arc::new(test.store.clone()));
    let tenant = tenant();
    let all: Vec<_> = (0..100_000).map(|_| execution(tenant)).collect();
    println!("bytes {}", serde_json::to_string(&all[0]).unwrap().len());
    let begin = cpu();
    for one in all {
        history.record(one).await.unwrap();
    }
    history.flush().await.unwrap();
    println!("us per execution: {}", (cpu() - begin) * 1e6 / 100_000.0);
    let begin = cpu();
    let filter =
        tidegate_core::execution::ExecutionFilter { outcome: Some("error".parse().unwrap()), ..Default::default() };
    for _ in 0..20 {
        history.page(tenant, &filter, None, 50).await.unwrap();
    }
    println!("ms per page of 2000 looked at: {}", (cpu() - begin) * 1e3 / 20.0);
}
