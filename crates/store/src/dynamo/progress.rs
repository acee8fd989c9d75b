//! Where the tasks of `sync` go on.

use async_trait::async_trait;
use tidegate_core::{
    Result,
    ports::{Place, Progress},
};

use super::{DynamoStore, decode, encode, failed, keys};

#[async_trait]
impl Progress for DynamoStore {
    async fn place(&self, task: &str) -> Result<Option<Place>> {
        self.item(keys::progress(task), keys::DOC).await?.as_ref().map(decode).transpose()
    }

    async fn note(&self, task: &str, place: Option<Place>) -> Result<()> {
        let key = keys::progress(task);
        match place {
            Some(place) => {
                let put = self.client.put_item().table_name(&*self.table).set_item(Some(key));
                let sent = put.item(keys::DOC, encode(&place)?).send().await;
                sent.map(drop).map_err(|error| failed("PutItem", &error))
            }
            None => {
                let sent = self.client.delete_item().table_name(&*self.table).set_key(Some(key)).send().await;
                sent.map(drop).map_err(|error| failed("DeleteItem", &error))
            }
        }
    }
}
